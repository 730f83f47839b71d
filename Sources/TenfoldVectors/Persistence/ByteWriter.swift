// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Puts numbers and texts into bytes, little-endian.
package struct ByteWriter {
  /// What was written so far.
  package private(set) var bytes: [UInt8] = []

  package init() {}

  /// Appends a number in its full width.
  package mutating func write<Number: FixedWidthInteger>(_ number: Number) {
    var rest = number
    for _ in 0..<(Number.bitWidth / 8) {
      bytes.append(UInt8(truncatingIfNeeded: rest))
      rest >>= 8
    }
  }

  /// Appends a float by its bits.
  package mutating func write(_ number: Float) { write(number.bitPattern) }

  /// Appends a number in 7-bit groups, lowest first, the top bit set on all but the last (LEB128).
  package mutating func writeVarint(_ number: UInt64) {
    var rest = number
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  /// Appends a text with its length in front.
  package mutating func write(_ text: String) {
    writeVarint(UInt64(text.utf8.count))
    bytes.append(contentsOf: text.utf8)
  }

  /// Appends bytes as they are.
  package mutating func write(_ raw: [UInt8]) { bytes.append(contentsOf: raw) }
}
