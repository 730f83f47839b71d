// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

#if canImport(CryptoKit)
import CryptoKit
import Foundation

/// SHA-256 of bytes that come piece by piece.
struct SHA256Hasher {
  private var hash = SHA256()

  /// Adds the next bytes.
  mutating func update(_ bytes: Span<UInt8>) {
    unsafe bytes.withUnsafeBytes { unsafe hash.update(bufferPointer: $0) }
  }

  /// The hash of everything added so far, as 64 lower-case hexadecimal digits.
  func hexadecimalDigest() -> String {
    hash.finalize().map { byte in
      let digits = String(byte, radix: 16)
      return byte < 16 ? "0" + digits : digits
    }.joined()
  }
}
#else
/// SHA-256 (FIPS 180-4) of bytes that come piece by piece.
struct SHA256Hasher {
  private var state = SIMD8<UInt32>(
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19
  )
  /// The last bytes, which don't fill a block yet; fewer than 64 between calls.
  private var pending: [UInt8] = []
  private var length: UInt64 = 0

  /// Adds the next bytes.
  mutating func update(_ bytes: Span<UInt8>) {
    length &+= UInt64(bytes.count)
    var start = 0
    if !pending.isEmpty {
      start = min(64 - pending.count, bytes.count)
      for index in 0..<start { pending.append(bytes[index]) }
      guard pending.count == 64 else { return }
      let block = pending
      Self.compress(&state, block.span)
      pending.removeAll(keepingCapacity: true)
    }
    let whole = (bytes.count - start) / 64 * 64
    if whole > 0 { Self.compress(&state, bytes.extracting(start..<start + whole)) }
    for index in start + whole..<bytes.count { pending.append(bytes[index]) }
  }

  /// The hash of everything added so far, as 64 lower-case hexadecimal digits.
  func hexadecimalDigest() -> String {
    var state = state
    var tail = pending
    tail.append(0x80)
    while tail.count % 64 != 56 { tail.append(0) }
    let bits = length &* 8
    for shift in stride(from: 56, through: 0, by: -8) {
      tail.append(UInt8(truncatingIfNeeded: bits >> UInt64(shift)))
    }
    Self.compress(&state, tail.span)
    var text = ""
    for index in 0..<8 {
      let digits = String(state[index], radix: 16)
      text += String(repeating: "0", count: 8 - digits.count) + digits
    }
    return text
  }

  /// Runs the compression function over whole 64-byte blocks.
  private static func compress(_ state: inout SIMD8<UInt32>, _ blocks: Span<UInt8>) {
    let count = blocks.count / 64
    // Reads stay below count * 64 bytes of the span; the table has 64 entries.
    unsafe blocks.withUnsafeBytes { bytes in
      unsafe roundConstants.withUnsafeBufferPointer { table in
        guard let data = bytes.baseAddress, let constants = table.baseAddress else { return }
        for block in 0..<count {
          unsafe compressBlock(&state, data + block * 64, constants)
        }
      }
    }
  }

  @inline(__always)
  private static func compressBlock(
    _ state: inout SIMD8<UInt32>,
    _ block: UnsafeRawPointer,
    _ constants: UnsafePointer<UInt32>
  ) {
    // The schedule holds the last 16 words; word t lives in lane t % 4 of vector (t / 4) % 4.
    var w0 = unsafe load(block, 0)
    var w1 = unsafe load(block, 16)
    var w2 = unsafe load(block, 32)
    var w3 = unsafe load(block, 48)
    var s = Working(state)
    var k = unsafe constants
    for _ in 0..<3 {
      unsafe s.fourRounds(w0 &+ loadConstants(k, 0))
      w0 = next(w0, w1, w2, w3)
      unsafe s.fourRounds(w1 &+ loadConstants(k, 4))
      w1 = next(w1, w2, w3, w0)
      unsafe s.fourRounds(w2 &+ loadConstants(k, 8))
      w2 = next(w2, w3, w0, w1)
      unsafe s.fourRounds(w3 &+ loadConstants(k, 12))
      w3 = next(w3, w0, w1, w2)
      unsafe k += 16
    }
    unsafe s.fourRounds(w0 &+ loadConstants(k, 0))
    unsafe s.fourRounds(w1 &+ loadConstants(k, 4))
    unsafe s.fourRounds(w2 &+ loadConstants(k, 8))
    unsafe s.fourRounds(w3 &+ loadConstants(k, 12))
    state = state &+ SIMD8(s.a, s.b, s.c, s.d, s.e, s.f, s.g, s.h)
  }

  @inline(__always)
  private static func load(_ block: UnsafeRawPointer, _ offset: Int) -> SIMD4<UInt32> {
    SIMD4(
      unsafe block.loadUnaligned(fromByteOffset: offset, as: UInt32.self).bigEndian,
      unsafe block.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self).bigEndian,
      unsafe block.loadUnaligned(fromByteOffset: offset + 8, as: UInt32.self).bigEndian,
      unsafe block.loadUnaligned(fromByteOffset: offset + 12, as: UInt32.self).bigEndian
    )
  }

  @inline(__always)
  private static func loadConstants(_ table: UnsafePointer<UInt32>, _ index: Int) -> SIMD4<UInt32> {
    unsafe UnsafeRawPointer(table + index).loadUnaligned(as: SIMD4<UInt32>.self)
  }

  /// The four words of the schedule that follow the sixteen in `a`, `b`, `c`, `d`.
  @inline(__always)
  private static func next(
    _ a: SIMD4<UInt32>,
    _ b: SIMD4<UInt32>,
    _ c: SIMD4<UInt32>,
    _ d: SIMD4<UInt32>
  ) -> SIMD4<UInt32> {
    let back15 = SIMD4(a[1], a[2], a[3], b[0])
    let back7 = SIMD4(c[1], c[2], c[3], d[0])
    let s0 = rotate(back15, 7) ^ rotate(back15, 18) ^ (back15 &>> 3)
    let base = a &+ s0 &+ back7
    let low = base.lowHalf &+ sigma1(d.highHalf)
    let high = base.highHalf &+ sigma1(low)
    return SIMD4(lowHalf: low, highHalf: high)
  }

  @inline(__always)
  private static func sigma1(_ x: SIMD2<UInt32>) -> SIMD2<UInt32> {
    ((x &>> 17) | (x &<< 15)) ^ ((x &>> 19) | (x &<< 13)) ^ (x &>> 10)
  }

  @inline(__always)
  private static func rotate(_ x: SIMD4<UInt32>, _ n: UInt32) -> SIMD4<UInt32> {
    (x &>> n) | (x &<< (32 &- n))
  }

  /// The eight working variables of FIPS 180-4, section 6.2.2.
  private struct Working {
    var a: UInt32
    var b: UInt32
    var c: UInt32
    var d: UInt32
    var e: UInt32
    var f: UInt32
    var g: UInt32
    var h: UInt32

    @inline(__always)
    init(_ state: SIMD8<UInt32>) {
      a = state[0]
      b = state[1]
      c = state[2]
      d = state[3]
      e = state[4]
      f = state[5]
      g = state[6]
      h = state[7]
    }

    /// Four rounds; each leaves the variables where the next one expects them.
    @inline(__always)
    mutating func fourRounds(_ wk: SIMD4<UInt32>) {
      round(a, b, c, &d, e, f, g, &h, wk[0])
      round(h, a, b, &c, d, e, f, &g, wk[1])
      round(g, h, a, &b, c, d, e, &f, wk[2])
      round(f, g, h, &a, b, c, d, &e, wk[3])
      (a, b, c, d, e, f, g, h) = (e, f, g, h, a, b, c, d)
    }

    @inline(__always)
    private func rotate(_ x: UInt32, _ n: UInt32) -> UInt32 { (x &>> n) | (x &<< (32 &- n)) }

    @inline(__always)
    private func round(
      _ a: UInt32,
      _ b: UInt32,
      _ c: UInt32,
      _ d: inout UInt32,
      _ e: UInt32,
      _ f: UInt32,
      _ g: UInt32,
      _ h: inout UInt32,
      _ wk: UInt32
    ) {
      let choice = g ^ (e & (f ^ g))
      let majority = (a & b) | (c & (a | b))
      let first = h &+ wk &+ choice &+ (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25))
      d = d &+ first
      h = first &+ majority &+ (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22))
    }
  }

  private static let roundConstants: [UInt32] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
    0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
    0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
    0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
  ]
}
#endif
