// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// XXH64 with seed 0, a checksum of 64 bits at the speed of memory.
///
/// It finds damage, not malice. Source: the xxHash specification, version 0.1.1 (Yann Collet).
enum XXH64 {
  private static let primes: (UInt64, UInt64, UInt64, UInt64, UInt64) = (
    0x9E37_79B1_85EB_CA87, 0xC2B2_AE3D_27D4_EB4F, 0x1656_67B1_9E37_79F9, 0x85EB_CA77_C2B2_AE63,
    0x27D4_EB2F_1656_67C5
  )

  /// The checksum of some bytes; linear in their number.
  static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    let count = bytes.count
    var offset = 0
    var hash: UInt64
    if count >= 32 {
      var lanes: (UInt64, UInt64, UInt64, UInt64) = (primes.0 &+ primes.1, primes.1, 0, 0 &- primes.0)
      while offset + 32 <= count {
        lanes.0 = unsafe round(lanes.0, word(bytes, offset))
        lanes.1 = unsafe round(lanes.1, word(bytes, offset + 8))
        lanes.2 = unsafe round(lanes.2, word(bytes, offset + 16))
        lanes.3 = unsafe round(lanes.3, word(bytes, offset + 24))
        offset += 32
      }
      hash = rotate(lanes.0, 1) &+ rotate(lanes.1, 7) &+ rotate(lanes.2, 12) &+ rotate(lanes.3, 18)
      hash = merge(merge(merge(merge(hash, lanes.0), lanes.1), lanes.2), lanes.3)
    } else {
      hash = primes.4
    }
    hash &+= UInt64(count)
    while offset + 8 <= count {
      hash = unsafe rotate(hash ^ round(0, word(bytes, offset)), 27) &* primes.0 &+ primes.3
      offset += 8
    }
    if offset + 4 <= count {
      let half = unsafe UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
      hash = rotate(hash ^ UInt64(half) &* primes.0, 23) &* primes.1 &+ primes.2
      offset += 4
    }
    while offset < count {
      hash = unsafe rotate(hash ^ UInt64(bytes[offset]) &* primes.4, 11) &* primes.0
      offset += 1
    }
    hash = (hash ^ hash >> 33) &* primes.1
    hash = (hash ^ hash >> 29) &* primes.2
    return hash ^ hash >> 32
  }

  private static func word(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> UInt64 {
    unsafe UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
  }

  private static func rotate(_ value: UInt64, _ count: UInt64) -> UInt64 {
    value &<< count | value &>> (64 &- count)
  }

  private static func round(_ lane: UInt64, _ word: UInt64) -> UInt64 {
    rotate(lane &+ word &* primes.1, 31) &* primes.0
  }

  private static func merge(_ hash: UInt64, _ lane: UInt64) -> UInt64 {
    (hash ^ round(0, lane)) &* primes.0 &+ primes.3
  }
}
