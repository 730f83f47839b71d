// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Up to eight bytes as one number, the first in the lowest bits: what hashes and comparisons of short texts are made of.
enum ByteNumber {
  /// The number of `count` bytes from `offset` on, or of eight where there are more; 0 for none or fewer.
  @inline(__always)
  static func load(_ bytes: RawSpan, _ offset: Int, count: Int) -> UInt64 {
    guard count > 0 else { return 0 }
    guard offset + 8 <= bytes.byteCount else { return loadSlowly(bytes, offset, count: min(count, 8)) }
    // Integers have no invalid bit patterns, and the load is bounds-checked.
    let all = UInt64(littleEndian: unsafe bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
    return count >= 8 ? all : all & ((1 as UInt64) &<< UInt64(truncatingIfNeeded: count * 8) &- 1)
  }

  /// So near the end that eight bytes would reach over it.
  private static func loadSlowly(_ bytes: RawSpan, _ offset: Int, count: Int) -> UInt64 {
    var number: UInt64 = 0
    for index in 0..<count {
      // One byte, as above.
      let byte = unsafe bytes.unsafeLoad(fromByteOffset: offset + index, as: UInt8.self)
      number |= UInt64(byte) << (UInt64(index) * 8)
    }
    return number
  }
}
