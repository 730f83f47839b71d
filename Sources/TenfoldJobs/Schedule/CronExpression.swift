// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// When something recurs, in the notation of cron: minute, hour, day of the month, month, day of the week.
///
/// Fields hold `*`, numbers, English three-letter names of months and days, ranges, lists and steps; `@hourly`,
/// `@daily`, `@weekly`, `@monthly` and `@yearly` are short forms. When both day fields restrict, a day needs to match
/// one of them, as in cron.
///
/// **Daylight saving time.** A local time that the clock skips fires once, at the moment the clock is set forward. A
/// local time that comes twice fires the first time only. When the hour field begins with `*` the expression means
/// real time instead: skipped hours are skipped, and hours that come twice fire twice.
///
/// ```swift
/// let nightly = try CronExpression("30 2 * * mon-fri")
/// let next = nightly.next(after: 1_700_000_000, in: .utc)  // seconds since 1970
/// ```
public struct CronExpression: Hashable, Sendable, CustomStringConvertible {
  /// The text, as given.
  public let description: String
  private let minute: CronField
  private let hour: CronField
  private let day: CronField
  private let month: CronField
  private let weekday: CronField

  /// February 29 on a given weekday comes every 40 years at worst.
  private static let horizonInDays: Int64 = 41 * 366
  private static let shortForms = [
    "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
  ]

  /// Reads an expression.
  ///
  /// - Parameter text: Five fields separated by spaces, or a short form.
  /// - Throws: ``JobError`` with code ``JobError/Code/invalidOption``, which names the field that is wrong.
  public init(_ text: String) throws(JobError) {
    description = text
    let fields = (Self.shortForms[text.lowercased()] ?? text).split(separator: " ")
    guard fields.count == 5 else {
      throw JobError(.invalidOption, "a cron expression has five fields, “\(text)” has \(fields.count)")
    }
    minute = try CronField(fields[0], in: 0...59)
    hour = try CronField(fields[1], in: 0...23)
    day = try CronField(fields[2], in: 1...31)
    month = try CronField(
      fields[3],
      in: 1...12,
      names: ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
    )
    var weekday = try CronField(
      fields[4],
      in: 0...7,
      names: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
    )
    weekday.alias(7, for: 0)
    self.weekday = weekday
  }

  /// The first time after another at which the expression fires.
  ///
  /// - Parameters:
  ///   - instant: Seconds since 1970; the result is later.
  ///   - zone: Where the expression's local times are read.
  /// - Returns: Seconds since 1970, or `nil` for an expression that never fires, such as February 30, and for an instant
  ///   that is further from 1970 than 2⁵³ seconds.
  public func next(after instant: Int64, in zone: ScheduleTimeZone) -> Int64? {
    // What is calculated from it stays far from overflow.
    guard instant.magnitude <= 1 << 53 else { return nil }
    let local = instant + Int64(zone.offset(at: instant))
    // The day before too: a clock set back across midnight brings it back.
    let first = Self.floorDivide(local, 86_400) - 1
    for number in first...(first + Self.horizonInDays) {
      let date = CivilDay(number: number)
      guard matches(date) else { continue }
      if let found = firings(on: date, in: zone, after: instant) { return found }
    }
    return nil
  }

  private func matches(_ date: CivilDay) -> Bool {
    guard month.matches(date.month) else { return false }
    let (byDay, byWeekday) = (day.matches(date.day), weekday.matches(date.weekday))
    return day.isWildcard || weekday.isWildcard ? byDay && byWeekday : byDay || byWeekday
  }

  /// The first firing of a local day that is later than an instant.
  private func firings(on date: CivilDay, in zone: ScheduleTimeZone, after instant: Int64) -> Int64? {
    // On a day without a change of the clock, which is nearly every day, later hours are later instants.
    let start = date.number * 86_400
    let shift = zone.offset(at: start - 86_400)
    let isPlain = shift == zone.offset(at: start + 2 * 86_400)
    var found: Int64?
    for hour in 0..<24 where self.hour.matches(hour) {
      for minute in 0..<60 where self.minute.matches(minute) {
        let local = start + Int64(hour * 3600 + minute * 60)
        if isPlain {
          if local - Int64(shift) > instant { return local - Int64(shift) }
          continue
        }
        for candidate in instants(local, in: zone) where candidate > instant {
          found = min(found ?? candidate, candidate)
        }
      }
    }
    return found
  }

  private func instants(_ local: Int64, in zone: ScheduleTimeZone) -> [Int64] {
    switch zone.instants(ofLocal: local) {
    case .once(let instant): [instant]
    case .twice(let first, let second): hour.isWildcard ? [first, second] : [first]
    case .skipped(let transition): hour.isWildcard ? [] : [transition]
    }
  }

  static func floorDivide(_ value: Int64, _ divisor: Int64) -> Int64 {
    let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
    return remainder < 0 ? quotient - 1 : quotient
  }
}
