// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A SHA-256 digest, which names content without anybody being able to find other content of the same name.
///
/// ```swift
/// var hasher = ContentDigest.Hasher()
/// hasher.append("system prompt")
/// let digest = hasher.finish()
/// ```
public struct ContentDigest: Hashable, Sendable, Codable, CustomStringConvertible {
  private let a: UInt64
  private let b: UInt64
  private let c: UInt64
  private let d: UInt64

  fileprivate init(words h: [UInt32]) {
    self.a = UInt64(h[0]) << 32 | UInt64(h[1])
    self.b = UInt64(h[2]) << 32 | UInt64(h[3])
    self.c = UInt64(h[4]) << 32 | UInt64(h[5])
    self.d = UInt64(h[6]) << 32 | UInt64(h[7])
  }

  /// Creates the digest of bytes.
  ///
  /// - Parameter bytes: The content.
  public init(of bytes: some Sequence<UInt8>) {
    var hasher = Hasher()
    hasher.append(raw: bytes)
    self = hasher.finish()
  }

  /// The digest as 64 hexadecimal digits.
  public var description: String {
    [a, b, c, d].map { word in
      let digits = String(word, radix: 16)
      return String(repeating: "0", count: 16 - digits.count) + digits
    }.joined()
  }

  /// The 32 bytes, most significant first.
  public var bytes: [UInt8] {
    [a, b, c, d].flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(56 - 8 * $0)) } }
  }

  /// Takes in content piece by piece.
  ///
  /// Texts and numbers go in with their length, so that no two lists of pieces give the same bytes.
  public struct Hasher: Sendable {
    // FIPS 180-4, section 5.3.3: the initial hash value.
    private var state: [UInt32] = [
      0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,
    ]
    private var block: [UInt8] = []
    private var schedule = [UInt32](repeating: 0, count: 64)
    private var length: UInt64 = 0

    /// Creates a hasher that has seen nothing.
    public init() { block.reserveCapacity(64) }

    /// Takes in a text, preceded by its length.
    public mutating func append(_ text: String) {
      append(UInt64(text.utf8.count))
      append(raw: text.utf8)
    }

    /// Takes in a number.
    public mutating func append(_ number: UInt64) {
      for shift in stride(from: UInt64(56), through: 0, by: -8) {
        append(byte: UInt8(truncatingIfNeeded: number >> shift))
      }
    }

    /// Takes in bytes as they are, without a length.
    public mutating func append(raw bytes: some Sequence<UInt8>) {
      for byte in bytes { append(byte: byte) }
    }

    private mutating func append(byte: UInt8) {
      block.append(byte)
      length &+= 1
      if block.count == 64 { compress() }
    }

    /// The digest of all that was taken in.
    ///
    /// - Returns: The digest; the hasher itself is left as it was.
    public func finish() -> ContentDigest {
      var copy = self
      let bits = length &* 8
      copy.append(byte: 0x80)
      while copy.block.count != 56 { copy.append(byte: 0) }
      copy.append(bits)
      return ContentDigest(words: copy.state)
    }

    private mutating func compress() {
      for t in 0..<16 {
        schedule[t] =
          UInt32(block[4 * t]) << 24 | UInt32(block[4 * t + 1]) << 16 | UInt32(block[4 * t + 2]) << 8
          | UInt32(block[4 * t + 3])
      }
      for t in 16..<64 {
        let x = schedule[t - 15]
        let y = schedule[t - 2]
        let s0 = Self.rotate(x, 7) ^ Self.rotate(x, 18) ^ (x >> 3)
        let s1 = Self.rotate(y, 17) ^ Self.rotate(y, 19) ^ (y >> 10)
        schedule[t] = schedule[t - 16] &+ s0 &+ schedule[t - 7] &+ s1
      }
      var (a, b, c, d) = (state[0], state[1], state[2], state[3])
      var (e, f, g, h) = (state[4], state[5], state[6], state[7])
      for t in 0..<64 {
        let s1 = Self.rotate(e, 6) ^ Self.rotate(e, 11) ^ Self.rotate(e, 25)
        let t1 = h &+ s1 &+ ((e & f) ^ (~e & g)) &+ Self.constants[t] &+ schedule[t]
        let s0 = Self.rotate(a, 2) ^ Self.rotate(a, 13) ^ Self.rotate(a, 22)
        let t2 = s0 &+ ((a & b) ^ (a & c) ^ (b & c))
        (h, g, f, e, d, c, b, a) = (g, f, e, d &+ t1, c, b, a, t1 &+ t2)
      }
      for (index, word) in [a, b, c, d, e, f, g, h].enumerated() { state[index] &+= word }
      block.removeAll(keepingCapacity: true)
    }

    private static func rotate(_ x: UInt32, _ n: UInt32) -> UInt32 { x >> n | x << (32 - n) }

    // FIPS 180-4, section 4.2.2: the first 32 bits of the fractional parts of the cube roots of the first 64 primes.
    private static let constants: [UInt32] = [
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
}
