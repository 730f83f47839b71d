// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

extension RawSpan {
  /// The unsigned 64-bit number at `offset`, which traps outside the span as any span access does.
  func littleEndianUInt64(at offset: Int) -> UInt64 {
    // Integers have no invalid bit patterns; the load is bounds-checked and unaligned.
    unsafe UInt64(littleEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
  }
}
