// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldStorage

/// CRC-32 of a section.
enum SectionChecksum {
  static func of(_ bytes: [UInt8]) -> UInt32 {
    var checksum = CRC32Checksum()
    checksum.update(bytes.span)
    return checksum.value
  }
}
