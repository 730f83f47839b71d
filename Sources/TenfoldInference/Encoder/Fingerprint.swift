// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A hash that is the same in every process and on every machine: FNV-1a of Fowler, Noll and Vo.
struct Fingerprint: CustomStringConvertible {
  private var hash: UInt64 = 0xcbf2_9ce4_8422_2325

  /// Adds numbers, each as a whole.
  mutating func add(_ values: some Sequence<some FixedWidthInteger>) {
    for value in values { hash = (hash ^ UInt64(truncatingIfNeeded: value)) &* 0x100_0000_01b3 }
  }

  /// Sixteen hexadecimal digits.
  var description: String {
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
