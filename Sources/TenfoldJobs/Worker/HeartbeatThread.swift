// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Synchronization
import TenfoldStorage

/// A thread that runs tasks and timers of its own, so that jobs which block the cooperative pool can't hold up the
/// renewal of leases.
///
/// It wakes for a task and for a timer that is due, and for nothing else: a timer that is moved back, or that is armed
/// for later than the thread wakes anyway, costs no wake-up.
final class HeartbeatThread: TaskExecutor {
  typealias Instant = ContinuousClock.Instant

  /// Each timer is armed once at most: arming it again replaces it.
  enum Timer: Hashable {
    case heartbeat
    /// The end of the first lease that no heartbeat has renewed.
    case deadline
    case look
    case grace
    /// The end of the time that a run may take.
    case limit
    /// The next try to settle what is left.
    case retry
  }

  /// How often the thread did something.
  struct Counts: Sendable, Equatable {
    /// Returns from waiting, for whatever reason.
    var wakeups = 0
    /// Timers that came due.
    var firings = 0
  }

  private struct Armed {
    /// `nil` while it waits to be brought forward.
    var at: Instant?
    var fire: @Sendable () -> Void
  }

  private struct State {
    var jobs: [UnownedJob] = []
    var timers: [Timer: Armed] = [:]
    var isStopped = false
    /// Until when the thread sleeps; `nil` while it is awake and will look at all of this before it sleeps.
    var sleepsUntil: Instant??
    var counts = Counts()

    var next: Instant? { timers.values.lazy.compactMap(\.at).min() }
  }

  private let state = Mutex(State())
  private let semaphore = DispatchSemaphore(value: 0)
  private let clock: @Sendable () -> Instant
  private let sleeping: @Sendable (Instant?) -> Void

  /// Creates a thread that ``start()`` starts.
  ///
  /// - Parameters:
  ///   - clock: What the timers go by; after it was turned by hand call ``clockMoved()``.
  ///   - sleeping: Told before the thread goes to sleep until when it does, `nil` for good.
  init(
    clock: @escaping @Sendable () -> Instant = { .now },
    sleeping: @escaping @Sendable (Instant?) -> Void = { _ in }
  ) {
    self.clock = clock
    self.sleeping = sleeping
  }

  /// The present, by the clock that the timers go by.
  var now: Instant { clock() }

  var counts: Counts { state.withLock { $0.counts } }

  func start() throws(StorageError) {
    try DedicatedThread.start(name: "tenfold-beat") { [self] in serve() }
  }

  /// Ends the thread once it has nothing left to run.
  func stop() { change { $0.isStopped = true } }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    change { $0.jobs.append(job) }
  }

  /// Calls `fire` on this thread at or after an instant; without one, once it was brought forward.
  func arm(_ timer: Timer, at instant: Instant?, _ fire: @escaping @Sendable () -> Void) {
    change { $0.timers[timer] = Armed(at: instant, fire: fire) }
  }

  /// Forgets a timer.
  func disarm(_ timer: Timer) { change { $0.timers[timer] = nil } }

  /// Lets an armed timer fire at `instant`, if that is sooner than it would.
  func bringForward(_ timer: Timer, to instant: Instant) {
    change { state in
      guard let armed = state.timers[timer], armed.at.map({ $0 > instant }) ?? true else { return }
      state.timers[timer]?.at = instant
    }
  }

  /// Has the thread look at its clock, if it sleeps.
  func clockMoved() {
    let isAsleep = state.withLock { state in
      defer { state.sleepsUntil = nil }
      return state.sleepsUntil != nil
    }
    if isAsleep { semaphore.signal() }
  }

  /// Changes the state and wakes the thread if that gave it something to do sooner.
  private func change(_ body: (inout State) -> Void) {
    let wakes = state.withLock { state in
      body(&state)
      guard let until = state.sleepsUntil else { return false }
      let isSooner = state.next.map { next in until.map { next < $0 } ?? true } ?? false
      guard isSooner || !state.jobs.isEmpty || state.isStopped else { return false }
      // One signal is enough.
      state.sleepsUntil = nil
      return true
    }
    if wakes { semaphore.signal() }
  }

  private func serve() {
    while true {
      let now = clock()
      let (jobs, due) = state.withLock { state in
        var jobs: [UnownedJob] = []
        swap(&jobs, &state.jobs)
        let due = state.timers.filter { $0.value.at.map { $0 <= now } ?? false }
        for timer in due.keys { state.timers[timer] = nil }
        state.counts.firings += due.count
        return (jobs, due.values.map(\.fire))
      }
      for job in jobs { unsafe job.runSynchronously(on: asUnownedTaskExecutor()) }
      for fire in due { fire() }
      if !jobs.isEmpty || !due.isEmpty { continue }
      guard sleep() else { break }
    }
    // What a timer would have called may hold this thread, and the store, for ever.
    let forgotten = state.withLock { state in
      defer { state.timers = [:] }
      return state.timers
    }
    _ = consume forgotten
  }

  /// Sleeps until there is something to do; `false` at the end.
  private func sleep() -> Bool {
    let (next, isIdle, isStopped) = state.withLock { state in
      guard state.jobs.isEmpty else { return (Instant?.none, false, false) }
      let next = state.next
      if !state.isStopped { state.sleepsUntil = .some(next) }
      return (next, true, state.isStopped)
    }
    guard isIdle, !isStopped else { return !isStopped }
    sleeping(next)
    if let next {
      // A timer is never early, and the clock may be one that is turned by hand.
      let pause = max(0, (next - clock()).nanoseconds)
      _ = semaphore.wait(timeout: .now() + .nanoseconds(Int(pause)))
    } else {
      semaphore.wait()
    }
    state.withLock { state in
      state.sleepsUntil = nil
      state.counts.wakeups += 1
    }
    return true
  }
}
