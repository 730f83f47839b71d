// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

internal import Logging

/// Enqueues the jobs of schedules when they are due.
///
/// Any number of schedulers may run on one store, in any number of processes: the store accepts each firing once. What
/// fired last is kept in the store, so that firings missed while no scheduler ran are found; a schedule that never
/// fired begins when its scheduler does.
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

  /// A wall clock that is set forward is noticed after this at the latest.
  private static let longestSleep = Duration.seconds(60)

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
  }

  /// Enqueues what is due until the task is cancelled.
  ///
  /// - Throws: `CancellationError`, or ``JobError`` with code ``JobError/Code/invalidOption`` for names that repeat.
  ///   Failures of the store are logged and tried again.
  public func run() async throws {
    guard Set(schedules.map(\.name)).count == schedules.count else {
      throw JobError(.invalidOption, "schedules need names that differ")
    }
    let start = now
    while true {
      try Task.checkCancellation()
      var pause = Self.longestSleep
      do {
        if let next = try await fire(since: start) { pause = min(pause, max(.zero, next)) }
      } catch {
        logger.error("a schedule could not fire, trying again", metadata: ["error": "\(error)"])
        pause = .seconds(1)
      }
      try await Task.sleep(for: pause)
    }
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
      let (firings, next) = schedule.due(last: fired[schedule.name] ?? start, now: now)
      do {
        if !firings.isEmpty { _ = try await store.enqueue(try firings.map(schedule.make)) }
      } catch {
        try Task.checkCancellation()
        failure = failure ?? error
      }
      if let next { nearest = min(nearest ?? next, next) }
    }
    if let failure { throw failure }
    return nearest.map { .milliseconds($0 - now) }
  }

  private var now: Int64 { clock.wall() / 1_000_000 }
}
