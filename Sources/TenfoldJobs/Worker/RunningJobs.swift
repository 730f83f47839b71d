// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// The runs of one worker: what the heartbeat renews and whom it stops.
final class RunningJobs: Sendable {
  /// Why a run was told to stop.
  enum StopReason: Sendable {
    case leaseLost
    case cancelled
    /// The worker has to go: save what there is and leave.
    case preempted
    /// The run took longer than it may.
    case timedOut
  }

  private struct Run: Sendable {
    /// By the local monotonic clock, counted from before the claim: it can only be earlier than the store's deadline.
    var deadline: ContinuousClock.Instant
    var task: RunTask?
    var update: JobUpdate?
    var stop: StopReason?
    /// Until when the run may take, by the clock of the worker's timers; `nil` before it begins, or for any time.
    var end: ContinuousClock.Instant?
    /// It has taken as long as it may, whatever it was told to stop for: its lease isn't renewed any more.
    var isOverlong = false
    /// The job ended in a transaction of its own.
    var isFinished = false

    /// Whether there is a lease that has to be renewed.
    var isHeld: Bool { stop != .leaseLost && !isFinished }
  }

  private struct State {
    var runs: [JobLease.Reference: Run] = [:]
    /// Those that come from now on have to stop, too.
    var isPreempted = false
  }

  private let state = Mutex(State())

  var count: Int { state.withLock { $0.runs.count } }

  func add(_ reference: JobLease.Reference, deadline: ContinuousClock.Instant) {
    state.withLock { state in
      state.runs[reference] = Run(deadline: deadline, stop: state.isPreempted ? .preempted : nil)
    }
  }

  func remove(_ references: [JobLease.Reference]) {
    state.withLock { state in for reference in references { state.runs[reference] = nil } }
  }

  func attach(_ reference: JobLease.Reference, _ task: UnsafeCurrentTask) {
    let task = unsafe RunTask(task)
    let isStopped = state.withLock { state in
      state.runs[reference]?.task = task
      return state.runs[reference]?.stop != nil
    }
    // The stop came before the task began: nothing of the host's hears of it yet.
    if isStopped { task.cancel() }
  }

  func detach(_ reference: JobLease.Reference) {
    let task = state.withLock { state in
      defer {
        state.runs[reference]?.task = nil
        state.runs[reference]?.end = nil
      }
      return state.runs[reference]?.task
    }
    task?.end()
  }

  /// Runs that go on without a lease.
  var adriftCount: Int {
    state.withLock { state in state.runs.values.count { $0.task != nil && !$0.isHeld } }
  }

  func stopReason(_ reference: JobLease.Reference) -> StopReason? {
    state.withLock { $0.runs[reference]?.stop }
  }

  func finish(_ reference: JobLease.Reference) { state.withLock { $0.runs[reference]?.isFinished = true } }

  /// Whether the job has ended in a transaction of its own.
  func isFinished(_ reference: JobLease.Reference) -> Bool {
    state.withLock { $0.runs[reference]?.isFinished ?? false }
  }

  func report(_ reference: JobLease.Reference, _ update: JobUpdate) {
    state.withLock { state in
      var merged = state.runs[reference]?.update ?? JobUpdate()
      merged.fraction = update.fraction ?? merged.fraction
      merged.message = update.message ?? merged.message
      state.runs[reference]?.update = merged
    }
  }

  /// Takes a report back that a heartbeat could not deliver; what came meanwhile is newer.
  func restore(_ reference: JobLease.Reference, _ update: JobUpdate) {
    state.withLock { state in
      guard var merged = state.runs[reference]?.update else {
        state.runs[reference]?.update = update
        return
      }
      merged.fraction = merged.fraction ?? update.fraction
      merged.message = merged.message ?? update.message
      state.runs[reference]?.update = merged
    }
  }

  /// What the next heartbeat sends; reports are taken out.
  func beat() -> [(reference: JobLease.Reference, update: JobUpdate?)] {
    state.withLock { state in
      // A run that takes too long may never end: its lease must.
      let runs = state.runs.filter { $0.value.isHeld && !$0.value.isOverlong }
      for reference in runs.keys { state.runs[reference]?.update = nil }
      return runs.map { ($0.key, $0.value.update) }
    }
  }

  /// How long a lease goes on from `now` that a run saves something under: that of a run which has taken as long as it may
  /// ends when it would have.
  func extent(of reference: JobLease.Reference, lease: Duration, now: ContinuousClock.Instant) -> Duration {
    state.withLock { state in
      guard let run = state.runs[reference], run.isOverlong else { return lease }
      return max(.zero, min(lease, run.deadline - now))
    }
  }

  func apply(_ outcome: ExtendOutcome, to reference: JobLease.Reference, deadline: ContinuousClock.Instant) {
    switch outcome {
    case .extended: state.withLock { $0.runs[reference]?.deadline = deadline }
    case .cancelRequested:
      state.withLock { $0.runs[reference]?.deadline = deadline }
      stop(reference, .cancelled)
    case .lost: stop(reference, .leaseLost)
    }
  }

  /// When the first lease may end that no heartbeat has renewed, of runs that go on.
  var nextDeadline: ContinuousClock.Instant? {
    state.withLock { state in state.runs.values.lazy.filter(\.isHeld).map(\.deadline).min() }
  }

  /// Whether a run goes on, or is not yet booked, that has lost its lease.
  var hasLost: Bool { state.withLock { state in state.runs.values.contains { $0.stop == .leaseLost } } }

  /// Stops the runs whose lease may have ended by now, because no heartbeat got through; whether there were any.
  @discardableResult
  func stopOverdue(now: ContinuousClock.Instant) -> Bool {
    let overdue = state.withLock { state in
      state.runs.filter { $0.value.isHeld && $0.value.deadline <= now }.map(\.key)
    }
    for reference in overdue { stop(reference, .leaseLost) }
    return !overdue.isEmpty
  }

  /// Lets a run that begins take until `end`.
  func limit(_ reference: JobLease.Reference, to end: ContinuousClock.Instant) {
    state.withLock { $0.runs[reference]?.end = end }
  }

  /// When the first run has taken as long as it may.
  var nextEnd: ContinuousClock.Instant? {
    state.withLock { state in state.runs.values.lazy.filter { !$0.isOverlong }.compactMap(\.end).min() }
  }

  /// Stops the runs that have taken as long as they may.
  func stopOverlong(now: ContinuousClock.Instant) {
    let overlong = state.withLock { state in
      let overlong = state.runs.filter { run in run.value.end.map { $0 <= now } ?? false }.map(\.key)
      for reference in overlong { state.runs[reference]?.isOverlong = true }
      return overlong
    }
    for reference in overlong { stop(reference, .timedOut) }
  }

  /// Tells every run to stop, also those that are yet to begin.
  func preempt() {
    let references = state.withLock { state in
      state.isPreempted = true
      return Array(state.runs.keys)
    }
    for reference in references { stop(reference, .preempted) }
  }

  private func stop(_ reference: JobLease.Reference, _ reason: StopReason) {
    let task = state.withLock { state -> RunTask? in
      // A job that ended in a transaction of its own has no lease to lose.
      guard let run = state.runs[reference], run.stop != .leaseLost, !run.isFinished else { return nil }
      // Whoever was told to stop already isn't told again by less.
      if run.stop != nil, reason == .preempted || reason == .timedOut { return nil }
      state.runs[reference]?.stop = reason
      // Its task is cancelled by the first reason.
      return run.stop == nil ? run.task : nil
    }
    task?.cancelElsewhere()
  }
}
