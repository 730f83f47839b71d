// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// CRC-32 (the polynomial of zip and Ethernet) of a section.
enum SectionChecksum {
  /// One entry for each byte value; the table-driven form of ISO 3309.
  private static let table: [UInt32] = (0..<256).map { (index: UInt32) in
    (0..<8).reduce(index) { value, _ in value & 1 == 1 ? 0xedb8_8320 ^ (value >> 1) : value >> 1 }
  }

  static func of(_ bytes: [UInt8]) -> UInt32 {
    let table = table
    var value = UInt32.max
    for byte in bytes {
      value = table[Int((value ^ UInt32(byte)) & 0xff)] ^ (value >> 8)
    }
    return ~value
  }
}
