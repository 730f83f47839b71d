// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Eight bytes of a text at once: how many of the first are of a kind, without a step for each.
///
/// The bytes stand side by side in a register; adding a constant carries into a byte's highest bit where the byte is not
/// below a bound, and the lowest bit that is missing tells where the run ends.
struct ASCIIBlock {
  private let bytes: UInt64
  private static let highBits: UInt64 = 0x8080_8080_8080_8080
  private static let ones: UInt64 = 0x0101_0101_0101_0101

  /// Eight bytes, the first in the lowest bits.
  @inline(__always)
  init(_ bytes: UInt64) { self.bytes = bytes }

  /// Reads the eight bytes from `index` on, which the text must have.
  @inline(__always)
  init(_ text: Span<UInt8>, _ index: Int) {
    // Integers have no invalid bit patterns, and the load is bounds-checked.
    bytes = UInt64(
      littleEndian: unsafe text.bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self)
    )
  }

  /// How many of the first bytes are A to Z or a to z.
  @inline(__always)
  var leadingLetters: Int { Self.leading(Self.letters(bytes)) }

  /// How many of the first bytes are A to Z, a to z or 0 to 9.
  @inline(__always)
  var leadingAlphanumerics: Int {
    Self.leading(Self.letters(bytes) | Self.between(bytes, 0x30, 0x39))
  }

  /// How many of the first bytes are not `byte`, which is ASCII.
  @inline(__always)
  func leading(without byte: UInt8) -> Int {
    let different = bytes ^ Self.ones &* UInt64(byte)
    // A byte's highest bit is set where the byte, without that bit, isn't zero or had it.
    return Self.leading(((different & ~Self.highBits) &+ ~Self.highBits | different) & Self.highBits)
  }

  /// The highest bit of each byte that is a letter.
  @inline(__always)
  private static func letters(_ bytes: UInt64) -> UInt64 {
    between(bytes | ones &* 0x20, 0x61, 0x7a)
  }

  /// The highest bit of each byte in `low...high`, which are ASCII.
  @inline(__always)
  private static func between(_ bytes: UInt64, _ low: UInt64, _ high: UInt64) -> UInt64 {
    let ascii = bytes & ~highBits
    let notBelow = ascii &+ ones &* (0x80 - low)
    let above = ascii &+ ones &* (0x7f - high)
    return notBelow & ~above & ~bytes & highBits
  }

  @inline(__always)
  private static func leading(_ marks: UInt64) -> Int { (marks ^ highBits).trailingZeroBitCount >> 3 }
}
