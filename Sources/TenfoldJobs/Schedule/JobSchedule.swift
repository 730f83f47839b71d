// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Work that recurs: when, what, and what to do about times that were missed.
///
/// ```swift
/// let nightly = JobSchedule(
///   "reindex", .cron(try CronExpression("30 2 * * *"), .utc), missed: .once
/// ) { _ in Reindex(corpus: "scifact") }
/// try await JobScheduler(store: store, schedules: [nightly]).run()
/// ```
public struct JobSchedule: Sendable {
  /// When work recurs.
  public struct Recurrence: Sendable {
    let next: @Sendable (_ after: Int64) -> Int64?

    /// At the local times of a cron expression.
    ///
    /// - Parameters:
    ///   - expression: The times.
    ///   - zone: Where they are read.
    /// - Returns: The recurrence.
    public static func cron(_ expression: CronExpression, _ zone: ScheduleTimeZone) -> Self {
      Self { after in
        expression.next(after: CronExpression.floorDivide(after, 1000), in: zone).map { $0 * 1000 }
      }
    }

    /// At whole multiples of an interval since 1970, so that every process means the same instants.
    ///
    /// - Parameter interval: At least a second; less counts as a second.
    /// - Returns: The recurrence.
    public static func every(_ interval: Duration) -> Self {
      let step = max(1000, interval.nanoseconds / 1_000_000)
      return Self { after in
        let (next, overflow) = (CronExpression.floorDivide(after, step) + 1).multipliedReportingOverflow(
          by: step
        )
        return overflow ? nil : next
      }
    }
  }

  /// What to do about firings that nobody was there for.
  public enum MissedRuns: Hashable, Sendable {
    /// Leave them out; a firing counts as missed when it is over a minute late.
    case skip
    /// Make up for all of them with one run, the newest.
    case once
    /// Run each of them, the oldest first; at most the newest 1000.
    case all
  }

  /// The schedule's name in the store: what fired last is remembered under it.
  public let name: String
  /// When it fires.
  public let recurrence: Recurrence
  /// What to do about firings that nobody was there for.
  public let missed: MissedRuns
  let options: JobOptions
  let make: @Sendable (_ milliseconds: Int64) throws -> NewJob

  /// Creates a schedule.
  ///
  /// - Parameters:
  ///   - name: The schedule's name in the store; each needs its own.
  ///   - recurrence: When it fires.
  ///   - missed: What to do about firings that nobody was there for.
  ///   - options: How the jobs are enqueued.
  ///   - job: Makes the job of a firing, given in milliseconds since 1970.
  public init<Work: DurableJob>(
    _ name: String,
    _ recurrence: Recurrence,
    missed: MissedRuns = .once,
    options: JobOptions = JobOptions(),
    job: @escaping @Sendable (_ milliseconds: Int64) -> Work
  ) {
    self.name = name
    self.recurrence = recurrence
    self.missed = missed
    self.options = options
    make = { milliseconds in
      NewJob(
        id: Self.id(of: name, milliseconds),
        name: Work.name,
        payload: try JobCoding.encode(job(milliseconds), what: "the job of schedule \(name)"),
        options: options,
        tick: JobScheduleTick(schedule: name, milliseconds: milliseconds)
      )
    }
  }

  static let grace: Int64 = 60_000
  static let mostMadeUp = 1000
  /// Firings are at least a second apart.
  private static let least: Int64 = 1000
  /// Some 280,000 years from now.
  private static let latest: Int64 = 1 << 53

  /// The firings to enqueue at a time, oldest first, and when to look again.
  ///
  /// Takes time with the logarithm of what was missed, not with the number of firings: a scheduler that was away for a year
  /// starts at once.
  func due(last: Int64, now: Int64) -> (firings: [Int64], next: Int64?) {
    // A damaged row may hold any number.
    let last = min(max(last, 0), Self.latest)
    let firings: [Int64] =
      switch missed {
      case .all: newest(Self.mostMadeUp, after: last, through: now)
      case .once: newest(after: last, through: now).map { [$0] } ?? []
      case .skip: newest(after: max(last, now - Self.grace - 1), through: now).map { [$0] } ?? []
      }
    return (firings, recurrence.next(max(last, now)))
  }

  /// The newest firing after one instant and not after another, which is sought from the end in steps that double.
  private func newest(after start: Int64, through end: Int64, near gap: Int64 = Self.least) -> Int64? {
    func comes(after instant: Int64) -> Bool { recurrence.next(instant).map { $0 <= end } ?? false }
    guard comes(after: start) else { return nil }
    // A firing comes after `low` in time, and none after `high`.
    var (low, high, step) = (max(start, end - gap), end, gap)
    while low > start, !comes(after: low) {
      high = low
      step *= 2
      low = max(start, high - step)
    }
    // Two firings are never closer than this, so the next one is the last one then.
    while high - low > Self.least {
      let middle = low + (high - low) / 2
      if comes(after: middle) { low = middle } else { high = middle }
    }
    return recurrence.next(low)
  }

  /// The newest of the firings after one instant and not after another, oldest first.
  private func newest(_ count: Int, after start: Int64, through end: Int64) -> [Int64] {
    var firings: [Int64] = []
    var next = recurrence.next(start)
    while let firing = next, firing <= end, firings.count <= count {
      firings.append(firing)
      next = recurrence.next(firing)
    }
    guard firings.count > count else { return firings }
    // There are more of them: from the end.
    firings = []
    var (end, gap) = (end, Self.least)
    while firings.count < count, let firing = newest(after: start, through: end, near: gap) {
      firings.append(firing)
      gap = max(Self.least, end - firing + 1)
      end = firing - 1
    }
    return firings.reversed()
  }

  /// The same firing has the same id in every process: its time, then a hash of the schedule's name.
  static func id(of name: String, _ milliseconds: Int64) -> RawJobID {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return RawJobID(
      high: UInt64(truncatingIfNeeded: milliseconds) << 16 | hash >> 48,
      low: hash
    )
  }
}
