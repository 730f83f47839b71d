// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// Durations counted in buckets whose width grows with their size, so that a quantile is at most 1.6 % too long, or, below
/// 64 µs, a microsecond.
///
/// Each power of two of microseconds is divided into 64 buckets, as in HdrHistogram; below 64 µs each is a microsecond
/// wide. The memory is a few kilobytes
/// whatever is recorded; recording takes constant time.
public struct LatencyHistogram: Hashable, Sendable, Codable {
  private static let subBuckets = 64
  private var counts: [Int: Int] = [:]
  /// How many durations have been recorded.
  public private(set) var count = 0
  /// The sum of all durations.
  public private(set) var sum = Duration.zero
  /// The longest duration.
  public private(set) var maximum = Duration.zero

  /// Creates an empty histogram.
  public init() {}

  /// Counts a duration; a negative one counts as zero.
  public mutating func record(_ duration: Duration) {
    let duration = max(duration, .zero)
    counts[Self.bucket(duration), default: 0] += 1
    count += 1
    sum += duration
    maximum = max(maximum, duration)
  }

  /// The mean duration; zero when nothing was recorded.
  public var mean: Duration { count == 0 ? .zero : sum / count }

  /// The duration that the given share of the recorded ones does not exceed.
  ///
  /// - Parameter quantile: The share, in 0...1; 0.5 is the median.
  /// - Returns: The upper edge of the bucket in which it lies, at most ``maximum``; zero when nothing was recorded.
  public func quantile(_ quantile: Double) -> Duration {
    guard count > 0 else { return .zero }
    let share = quantile.isNaN ? 0.5 : min(max(quantile, 0), 1)
    let rank = max(1, Int((share * Double(count)).rounded(.up)))
    var seen = 0
    for bucket in counts.keys.sorted() {
      seen += counts[bucket] ?? 0
      if seen >= rank { return min(Self.upperEdge(bucket), maximum) }
    }
    return maximum
  }

  private static func bucket(_ duration: Duration) -> Int {
    let micro = Int(min(duration.inSeconds * 1e6, 1e15))
    guard micro >= subBuckets else { return micro }
    let exponent = Int.bitWidth - 1 - micro.leadingZeroBitCount
    let shift = exponent - 6
    return (shift + 1) * subBuckets + (micro >> shift) - subBuckets
  }

  private static func upperEdge(_ bucket: Int) -> Duration {
    guard bucket >= subBuckets else { return .microseconds(bucket + 1) }
    let shift = bucket / subBuckets - 1
    return .microseconds((bucket % subBuckets + subBuckets + 1) << shift)
  }
}
