// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The byte ↔ character map of byte-level BPE vocabularies: printable Latin-1 stands for itself, every other
/// byte for a character from U+0100 on, in order.
enum ByteLevelAlphabet {
  /// The character that stands for each byte.
  static let scalars: [UInt32] = {
    var next: UInt32 = 256
    return (0..<256).map { (byte: UInt32) -> UInt32 in
      if (0x21...0x7e).contains(byte) || (0xa1...0xac).contains(byte) || (0xae...0xff).contains(byte) {
        return byte
      }
      defer { next += 1 }
      return next
    }
  }()

  /// The byte that a character below U+0144 stands for, or -1.
  static let bytes: [Int16] = {
    var table = [Int16](repeating: -1, count: 0x144)
    for (byte, scalar) in scalars.enumerated() { table[Int(scalar)] = Int16(byte) }
    return table
  }()
}
