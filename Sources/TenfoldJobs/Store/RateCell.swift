// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The arithmetic of a rate limit: the generic cell rate algorithm, which needs one instant of state for each key.
///
/// The state is the theoretical arrival time: when the next start would be due if starts came evenly.
struct RateCell {
  /// Three years: nothing is limited over longer times, and sums with a store's time stay far from overflow.
  static let longest: Int64 = 100_000_000_000_000_000
  /// A minute, in nanoseconds.
  private static let idleLook: Int64 = 60_000_000_000

  let interval: Int64
  /// How much earlier than that a start may come.
  let tolerance: Int64

  /// Clamps what it is given, which may come out of a damaged row.
  init(interval: Int64, tolerance: Int64) {
    self.interval = min(Self.longest, max(1, interval))
    self.tolerance = min(Self.longest, max(0, tolerance))
  }

  init(_ limit: JobRateLimit) {
    interval = limit.interval
    let (product, overflow) = interval.multipliedReportingOverflow(by: Int64(max(1, limit.burst) - 1))
    tolerance = overflow ? Self.longest : min(Self.longest, product)
  }

  /// The state after a start now; `nil` when it would come too early.
  func arrival(after arrival: Int64, now: Int64) -> Int64? {
    let due = max(arrival, now)
    return due.clampedDifference(now) <= tolerance ? due.clampedSum(interval) : nil
  }

  /// When to look again at jobs that wait, after a look that found `count` starts to be in time and let `freed` jobs go.
  func nextLook(arrival: Int64, now: Int64, count: Int, freed: Int) -> Int64 {
    let next = max(arrival, now).clampedSum(Int64(count) * interval - tolerance)
    // All that may start is free to: a start, or one that goes, says when the next may. This is for what gets lost.
    return count > 0 && freed == 0 ? max(next, now.clampedSum(Self.idleLook)) : next
  }

  /// How many starts in a row would be in time now.
  func conforming(arrival: Int64, now: Int64) -> Int {
    let ahead = max(arrival, now).clampedDifference(now)
    return ahead > tolerance ? 0 : Int((tolerance - ahead) / interval) + 1
  }
}
