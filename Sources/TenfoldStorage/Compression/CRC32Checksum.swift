// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import CTenfoldZlib

/// The running CRC-32 that zip and gzip use.
package struct CRC32Checksum: Sendable {
  /// The checksum of everything added so far.
  package private(set) var value: UInt32 = 0

  /// Creates the checksum of no bytes.
  package init() {}

  /// Adds the next bytes.
  package mutating func update(_ bytes: Span<UInt8>) {
    unsafe bytes.withUnsafeBufferPointer { buffer in
      unsafe value = UInt32(truncatingIfNeeded: crc32_z(uLong(value), buffer.baseAddress, buffer.count))
    }
  }
}
