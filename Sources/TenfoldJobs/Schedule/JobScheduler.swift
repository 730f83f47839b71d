// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import Metrics

/// Enqueues the jobs of schedules when they are due.
///
/// Any number of schedulers may run on one store, in any number of processes: the store accepts each firing once. What
/// fired last is kept in the store, so that firings missed while no scheduler ran are found; a schedule that never
/// fired begins when its scheduler does.
///
/// **Wall clocks.** After one is set back by up to a day nothing fires twice: a schedule rests until the clock is again where
/// it fired last. A firing more than a day ahead of the clock comes from one that was wrong then; it is not waited for, the
/// schedule begins anew with the scheduler's last look, and a warning is logged.
///
/// ```swift
/// let scheduler = JobScheduler(store: store, schedules: [nightly])
/// try await scheduler.run()
/// ```
public struct JobScheduler: Sendable {
  private let store: any JobStore
  private let schedules: [JobSchedule]
  private let clock: JobStoreClock
  private let logger = Logger(label: "tenfold.jobs.schedule")

  private let counters: EnqueueCounters

  /// A wall clock that is set forward is noticed after this at the latest.
  private static let longestSleep = Duration.seconds(60)
  /// How far ahead of the wall clock the last firing may be, in milliseconds.
  static let mostAhead: Int64 = 86_400_000

  /// Creates a scheduler; nothing fires before ``run()``.
  ///
  /// - Parameters:
  ///   - store: Where the jobs go.
  ///   - schedules: Their names must differ.
  ///   - clock: Where the wall clock's time comes from.
  public init(store: any JobStore, schedules: [JobSchedule], clock: JobStoreClock = .system) {
    self.store = store
    self.schedules = schedules
    self.clock = clock
    counters = EnqueueCounters(MetricsSystem.factory)
  }

  /// Enqueues what is due until the task is cancelled.
  ///
  /// - Throws: `CancellationError`, or ``JobError`` with code ``JobError/Code/invalidOption`` for names that repeat and for
  ///   options that a ``JobQueue`` refuses. Failures of the store are logged and tried again.
  public func run() async throws {
    guard Set(schedules.map(\.name)).count == schedules.count else {
      throw JobError(.invalidOption, "schedules need names that differ")
    }
    for schedule in schedules { try schedule.options.validate() }
    var start = now
    while true {
      try Task.checkCancellation()
      var pause = Self.longestSleep
      do {
        if let next = try await look(since: &start) { pause = min(pause, max(.zero, next)) }
      } catch {
        logger.error("a schedule could not fire, trying again", metadata: ["error": "\(error)"])
        pause = .seconds(1)
      }
      try await Task.sleep(for: pause)
    }
  }

  /// Enqueues what is due now, and remembers when that was: firings up to there are not made up for when a schedule has to
  /// begin anew.
  func look(since start: inout Int64) async throws -> Duration? {
    let time = now
    // It began, or looked last, while the clock was wrong.
    if start.clampedDifference(time) > Self.mostAhead { start = time }
    let next = try await fire(since: start)
    start = max(start, time)
    return next
  }

  /// Enqueues what is due now; gives how long it is until the next firing.
  ///
  /// A schedule that fails doesn't keep the others from firing: the first failure is thrown at the end.
  func fire(since start: Int64) async throws -> Duration? {
    let fired = try await store.observe(.init(countsJobs: false, schedules: schedules.map(\.name))).schedules
    let now = now
    var nearest: Int64?
    var failure: (any Error)?
    for schedule in schedules {
      var last = fired[schedule.name]
      var early: Int64?
      if let mark = last, mark.clampedDifference(now) > Self.mostAhead {
        (early, last) = (mark, nil)
      }
      let (firings, next) = schedule.due(last: last ?? start, now: now)
      do {
        if !firings.isEmpty { try await enqueue(firings, of: schedule, replacing: early) }
      } catch {
        try Task.checkCancellation()
        failure = failure ?? error
      }
      if let next { nearest = min(nearest ?? next, next) }
    }
    if let failure { throw failure }
    return nearest.map { .milliseconds($0 - now) }
  }

  private func enqueue(_ firings: [Int64], of schedule: JobSchedule, replacing early: Int64?) async throws {
    var jobs = try firings.map(schedule.make)
    if let early {
      // The first one sets the schedule back, the others follow it.
      jobs[0].tick?.replaces = early
      logger.warning(
        "a schedule had fired far ahead of the wall clock: it begins anew",
        metadata: ["schedule": "\(schedule.name)", "fired": "\(early)"]
      )
    }
    counters.count(try await store.enqueue(jobs))
  }

  private var now: Int64 { clock.wall() / 1_000_000 }
}
