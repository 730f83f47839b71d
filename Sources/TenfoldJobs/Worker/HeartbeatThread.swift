// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Synchronization
import TenfoldStorage

/// A thread that runs tasks and timers of its own, so that jobs which block the cooperative pool can't hold up the
/// renewal of leases.
final class HeartbeatThread: TaskExecutor {
  /// Each timer is armed once at most: arming it again replaces it.
  enum Timer: Hashable {
    case heartbeat
    case look
    case grace
  }

  private struct State {
    var jobs: [UnownedJob] = []
    var timers: [Timer: (at: ContinuousClock.Instant, fire: @Sendable () -> Void)] = [:]
    var isStopped = false
  }

  private let state = Mutex(State())
  private let semaphore = DispatchSemaphore(value: 0)

  func start() throws(StorageError) {
    try DedicatedThread.start(name: "tenfold-beat") { [self] in serve() }
  }

  /// Ends the thread once it has nothing left to run.
  func stop() {
    state.withLock { $0.isStopped = true }
    semaphore.signal()
  }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    state.withLock { $0.jobs.append(job) }
    semaphore.signal()
  }

  /// Calls `fire` on this thread at or after an instant.
  func arm(_ timer: Timer, at instant: ContinuousClock.Instant, _ fire: @escaping @Sendable () -> Void) {
    state.withLock { $0.timers[timer] = (instant, fire) }
    semaphore.signal()
  }

  /// Fires an armed timer now.
  func hasten(_ timer: Timer) {
    state.withLock { $0.timers[timer]?.at = .now }
    semaphore.signal()
  }

  private func serve() {
    while true {
      let now = ContinuousClock.now
      let (jobs, due, next, isStopped) = state.withLock { state in
        var jobs: [UnownedJob] = []
        swap(&jobs, &state.jobs)
        let due = state.timers.filter { $0.value.at <= now }
        for timer in due.keys { state.timers[timer] = nil }
        return (jobs, due.values.map(\.fire), state.timers.values.map(\.at).min(), state.isStopped)
      }
      for job in jobs { unsafe job.runSynchronously(on: asUnownedTaskExecutor()) }
      for fire in due { fire() }
      if !jobs.isEmpty || !due.isEmpty { continue }
      if isStopped { return }
      guard let next else {
        semaphore.wait()
        continue
      }
      _ = semaphore.wait(timeout: .now() + .nanoseconds(Int(max(0, (next - now).nanoseconds))))
    }
  }
}
