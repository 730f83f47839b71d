// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A set of Unicode scalars, as ranges in ascending order that don't touch each other; surrogates are never in it.
struct ScalarSet: Hashable, Sendable {
  let ranges: [ClosedRange<UInt32>]

  /// All scalars.
  static let all = Self([0...0x10FFFF])

  /// - Parameter ranges: Ranges in any order, which may overlap.
  init(_ ranges: [ClosedRange<UInt32>]) {
    var merged: [ClosedRange<UInt32>] = []
    for range in ranges.flatMap(Self.withoutSurrogates).sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if let last = merged.last, range.lowerBound <= last.upperBound + 1 {
        merged[merged.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
      } else {
        merged.append(range)
      }
    }
    self.ranges = merged
  }

  /// The set of one scalar.
  init(_ scalar: Unicode.Scalar) { ranges = [scalar.value...scalar.value] }

  var isEmpty: Bool { ranges.isEmpty }

  /// All scalars that are not in the set.
  var inverted: Self {
    var others: [ClosedRange<UInt32>] = []
    var next: UInt32 = 0
    for range in ranges {
      if range.lowerBound > next { others.append(next...range.lowerBound - 1) }
      next = range.upperBound + 1
    }
    if next <= 0x10FFFF { others.append(next...0x10FFFF) }
    return Self(others)
  }

  func union(_ other: Self) -> Self { Self(ranges + other.ranges) }

  func intersection(_ other: Self) -> Self {
    var common: [ClosedRange<UInt32>] = []
    var (index, otherIndex) = (0, 0)
    while index < ranges.count, otherIndex < other.ranges.count {
      let (range, otherRange) = (ranges[index], other.ranges[otherIndex])
      if range.overlaps(otherRange) { common.append(range.clamped(to: otherRange)) }
      if range.upperBound < otherRange.upperBound { index += 1 } else { otherIndex += 1 }
    }
    return Self(common)
  }

  private static func withoutSurrogates(_ range: ClosedRange<UInt32>) -> [ClosedRange<UInt32>] {
    let parts: [ClosedRange<UInt32>] = [0...0xD7FF, 0xE000...0x10FFFF]
    return parts.filter(range.overlaps).map { range.clamped(to: $0) }
  }
}
