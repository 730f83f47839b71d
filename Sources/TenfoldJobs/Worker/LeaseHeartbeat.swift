// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

internal import Logging

/// Renews the leases of one worker, and stops the runs whose leases end while the store doesn't answer.
struct LeaseHeartbeat: Sendable {
  let store: any JobStore
  let lease: Duration
  let running: RunningJobs
  let thread: HeartbeatThread
  /// Called when jobs were told to stop, or their lease has ended.
  let told: @Sendable () -> Void
  private let logger = Logger(label: "tenfold.jobs")

  init(
    store: any JobStore,
    lease: Duration,
    running: RunningJobs,
    thread: HeartbeatThread,
    told: @escaping @Sendable () -> Void = {}
  ) {
    self.told = told
    self.store = store
    self.lease = lease
    self.running = running
    self.thread = thread
  }

  /// Renews these leases from now on; `begin` is from before they were given.
  func hold(_ leases: [JobLease], since begin: ContinuousClock.Instant) {
    guard !leases.isEmpty else { return }
    add(leases, since: begin)
    arm(since: begin)
  }

  /// Takes leases up without waking the thread: ``arm(since:)`` follows.
  func add(_ leases: [JobLease], since begin: ContinuousClock.Instant) {
    for one in leases { running.add(one.reference, deadline: begin + lease) }
  }

  /// Lets a heartbeat come, and the end of the lease if none gets through, as there is a lease now.
  ///
  /// Without one none is due; after the last lease one more may come.
  func arm(since begin: ContinuousClock.Instant) {
    thread.bringForward(.heartbeat, to: thread.now + lease / 3)
    bringWatchForward(to: begin + lease)
  }

  /// Has the heartbeat look whether it goes on.
  func look() { thread.bringForward(.heartbeat, to: thread.now) }

  /// Beats for as long as `goesOn` says, which it asks whenever it wakes; `failed` is told of each failure of the store.
  func run(while goesOn: () -> Bool, failed: (any Error) -> Void) async {
    // A third of a lease lies between the beginnings of two beats, however long the store takes to answer.
    var begin = thread.now
    watchDeadlines()
    while goesOn() {
      await withCheckedContinuation { continuation in
        thread.arm(.heartbeat, at: nil) { continuation.resume() }
        // A lease, or the end, may have come before the arming.
        if running.count > 0 { thread.bringForward(.heartbeat, to: begin + lease / 3) }
        if !goesOn() { look() }
      }
      begin = thread.now
      await beat(failed)
      watchDeadlines()
    }
    thread.disarm(.deadline)
  }

  private func beat(_ failed: (any Error) -> Void) async {
    let runs = running.beat()
    guard !runs.isEmpty else { return }
    let begin = ContinuousClock.now
    do {
      let outcomes = try await store.extend(runs.map(\.reference), by: lease, updates: runs.map(\.update))
      for (run, outcome) in zip(runs, outcomes) {
        running.apply(outcome, to: run.reference, deadline: begin + lease)
      }
      // Of a job that has not begun nobody else hears it.
      if outcomes.contains(where: { $0 != .extended }) { told() }
    } catch {
      for run in runs { if let update = run.update { running.restore(run.reference, update) } }
      failed(error)
      logger.warning("a heartbeat failed", metadata: ["error": "\(error)"])
    }
  }

  /// Stops runs whose lease has ended before a heartbeat could renew it, now and whenever one ends: the store may not answer
  /// for long, and leases that come meanwhile wait for that answer too.
  private func watchDeadlines() {
    if running.stopOverdue(now: .now) { told() }
    thread.arm(.deadline, at: nil) { [self] in watchDeadlines() }
    // What comes from now on brings it forward itself.
    if let next = running.nextDeadline { bringWatchForward(to: next) }
  }

  private func bringWatchForward(to deadline: ContinuousClock.Instant) {
    thread.bringForward(.deadline, to: thread.now + max(.zero, deadline - .now))
  }
}
