// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The bytes of a short word in four registers, with its length in the last byte: equal keys are equal words.
///
/// A part of a word has another key than a word of the same bytes, which may be a token as a whole.
struct WordKey {
  /// The longest word that has a key.
  static let longestWord = 31

  let first: UInt64
  let second: UInt64
  let third: UInt64
  let fourth: UInt64

  /// Reads a word of at least 1 and at most ``longestWord`` bytes.
  @inline(__always)
  init(_ text: Span<UInt8>, _ range: Range<Int>, isPart: Bool = false) {
    let (start, count) = (range.lowerBound, range.count)
    let length = UInt64(truncatingIfNeeded: count | (isPart ? 0x80 : 0)) << 56
    // A view of plain bytes, for the length of the call.
    let bytes = unsafe text.bytes
    first = ByteNumber.load(bytes, start, count: count)
    second = ByteNumber.load(bytes, start + 8, count: count - 8)
    guard count > 16 else {
      (third, fourth) = (0, length)
      return
    }
    third = ByteNumber.load(bytes, start + 16, count: count - 16)
    fourth = ByteNumber.load(bytes, start + 24, count: count - 24) | length
  }

  /// A number below 2 to the power of `bits` that depends on all bytes.
  @inline(__always)
  func hash(bits: UInt64) -> Int {
    var hash = first &* 0x9e37_79b9_7f4a_7c15 ^ (second ^ fourth) &* 0xc2b2_ae3d_27d4_eb4f
    hash ^= (third ^ fourth &* 0x1656_67b1_9e37_79f9)
    hash = (hash ^ hash >> 32) &* 0xff51_afd7_ed55_8ccd
    return Int(truncatingIfNeeded: hash >> (64 - bits))
  }
}
