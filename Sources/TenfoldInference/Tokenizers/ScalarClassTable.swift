// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A class number for every Unicode scalar, looked up in one load for all scalars in common use.
struct ScalarClassTable: Sendable {
  /// Above this only private use, tags and selectors follow; those are searched.
  private static let denseCount = 0x32400
  private let dense: [UInt8]
  private var sparse: [(first: UInt32, last: UInt32, kind: UInt8)] = []

  /// Builds the table from lists of first, last, first, last, …; later lists win.
  init(_ lists: [(ranges: [UInt32], kind: UInt8)]) {
    var dense = [UInt8](repeating: 0, count: Self.denseCount)
    for (ranges, kind) in lists {
      for index in stride(from: 0, to: ranges.count - 1, by: 2) {
        let (first, last) = (ranges[index], ranges[index + 1])
        for scalar in Int(first)..<max(Int(first), min(Int(last) + 1, Self.denseCount)) {
          dense[scalar] = kind
        }
        if last >= UInt32(Self.denseCount) { sparse.append((first, last, kind)) }
      }
    }
    self.dense = dense
  }

  @inline(__always)
  subscript(scalar: UInt32) -> UInt8 {
    scalar < UInt32(Self.denseCount) ? dense[Int(scalar)] : sparseClass(scalar)
  }

  private func sparseClass(_ scalar: UInt32) -> UInt8 {
    for range in sparse where range.first <= scalar && scalar <= range.last { return range.kind }
    return 0
  }
}
