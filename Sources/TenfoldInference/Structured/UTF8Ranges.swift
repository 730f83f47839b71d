// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The UTF-8 of a range of scalars, as sequences of byte ranges.
enum UTF8Ranges {
  /// Sequences that together match the encodings of all scalars in the range and nothing else.
  static func sequences(_ range: ClosedRange<UInt32>) -> [[ClosedRange<UInt8>]] {
    var result: [[ClosedRange<UInt8>]] = []
    // Ranges of equal encoded length, without surrogates.
    let parts: [ClosedRange<UInt32>] = [
      0...0x7F, 0x80...0x7FF, 0x800...0xD7FF, 0xE000...0xFFFF, 0x10000...0x10FFFF,
    ]
    for part in parts where part.overlaps(range) {
      append(range.clamped(to: part), to: &result)
    }
    return result
  }

  /// Splits a range until first and last scalar differ in whole trailing bytes only.
  private static func append(_ range: ClosedRange<UInt32>, to result: inout [[ClosedRange<UInt8>]]) {
    var open = [range]
    while let range = open.popLast() {
      let (low, high) = (range.lowerBound, range.upperBound)
      guard high >= 0x80 else {
        result.append([UInt8(low)...UInt8(high)])
        continue
      }
      var cut: UInt32?
      for bits in [6, 12, 18] as [UInt32] {
        let mask: UInt32 = ((1 as UInt32) << bits) - 1
        let (lowTop, highTop) = (low & ~mask, high & ~mask)
        guard lowTop != highTop else { continue }
        if low & mask != 0 {
          cut = low | mask
        } else if high & mask != mask {
          cut = highTop - 1
        } else {
          continue
        }
        break
      }
      if let cut {
        open += [cut + 1...high, low...cut]
      } else {
        result.append(zip(encoded(low), encoded(high)).map { $0...$1 })
      }
    }
  }

  private static func encoded(_ value: UInt32) -> [UInt8] {
    var bytes: [UInt8] = []
    UTF8Scanner.append(value, to: &bytes)
    return bytes
  }
}
