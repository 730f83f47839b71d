// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

#if canImport(FoundationEssentials)
public import FoundationEssentials
#else
public import Foundation
#endif

/// How local time follows from universal time: a plain function, so that schedules are calculated without a clock.
///
/// ```swift
/// let berlin = ScheduleTimeZone(TimeZone(identifier: "Europe/Berlin")!)
/// let fixed = ScheduleTimeZone { _ in 3600 }
/// ```
public struct ScheduleTimeZone: Sendable {
  /// What a local time means.
  enum Meaning: Equatable {
    case once(Int64)
    /// The clock was set back over it.
    case twice(Int64, Int64)
    /// The clock was set forward over it, at this instant.
    case skipped(Int64)
  }

  /// Seconds to add to universal time at an instant, given in seconds since 1970.
  public let offset: @Sendable (_ instant: Int64) -> Int

  /// Creates a zone from its rule.
  ///
  /// - Parameter offset: Seconds to add to universal time at an instant, given in seconds since 1970; within one day of
  ///   zero, and changing at most once in four days.
  public init(offset: @escaping @Sendable (_ instant: Int64) -> Int) { self.offset = offset }

  /// Takes a zone of the system.
  ///
  /// - Parameter timeZone: The zone; its rules are those of the system's time zone data.
  public init(_ timeZone: TimeZone) {
    self.init { timeZone.secondsFromGMT(for: Date(timeIntervalSince1970: Double($0))) }
  }

  /// Universal time.
  public static let utc = Self { _ in 0 }

  func offset(at instant: Int64) -> Int { offset(instant) }

  func instants(ofLocal local: Int64) -> Meaning {
    let before = Int64(offset(local - 86_400))
    let after = Int64(offset(local + 86_400))
    let earlier = local - before
    let later = local - after
    let (fitsBefore, fitsAfter) = (
      Int64(offset(earlier)) == before, Int64(offset(later)) == after
    )
    if before == after { return .once(earlier) }
    switch (fitsBefore, fitsAfter) {
    case (true, true): return .twice(min(earlier, later), max(earlier, later))
    case (true, false): return .once(earlier)
    case (false, true): return .once(later)
    case (false, false): return .skipped(transition(between: min(earlier, later), max(earlier, later)))
    }
  }

  /// The first instant with the offset of `end`.
  private func transition(between start: Int64, _ end: Int64) -> Int64 {
    let target = offset(end)
    var (low, high) = (start, end)
    while low < high {
      let middle = low + (high - low) / 2
      if offset(middle) == target { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
