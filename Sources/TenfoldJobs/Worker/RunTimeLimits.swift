// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Stops runs that take longer than they may.
struct RunTimeLimits: Sendable {
  /// How long a run may take; `nil` for any time.
  let limit: Duration?
  let running: RunningJobs
  let thread: HeartbeatThread

  /// A run begins now.
  func begin(_ reference: JobLease.Reference) {
    guard let limit else { return }
    let end = thread.now + limit
    running.limit(reference, to: end)
    thread.bringForward(.limit, to: end)
  }

  /// Arms the timer that stops runs which take too long.
  func watch() {
    guard limit != nil else { return }
    thread.arm(.limit, at: nil) { [self] in
      running.stopOverlong(now: thread.now)
      watch()
    }
    // One may have begun before the arming.
    if let next = running.nextEnd { thread.bringForward(.limit, to: next) }
  }
}
