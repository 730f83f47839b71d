// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Finds the token that stands for some bytes: open addressing over the bytes of all tokens, which it shares.
struct TokenIndex: Sendable {
  private let bytes: [UInt8]
  private let starts: [Int]
  private var slots: [Int32]
  private let mask: Int

  /// Indexes tokens; of those with equal bytes the last is found.
  ///
  /// - Parameters:
  ///   - bytes: The bytes of all tokens, one after the other.
  ///   - starts: Where each token's bytes start; one more than there are tokens.
  ///   - isIndexed: Which tokens can be found.
  init(bytes: [UInt8], starts: [Int], where isIndexed: (Int) -> Bool) {
    self.bytes = bytes
    self.starts = starts
    var size = 16
    while size < starts.count * 2 { size *= 2 }
    slots = Array(repeating: -1, count: size)
    mask = size - 1
    for id in 0..<starts.count - 1 where starts[id] < starts[id + 1] && isIndexed(id) {
      slots[place(bytes.span, starts[id]..<starts[id + 1])] = Int32(truncatingIfNeeded: id)
    }
  }

  /// The token that stands for `text[range]`, or -1.
  @inline(__always)
  func id(_ text: Span<UInt8>, _ range: Range<Int>) -> Int32 { slots[place(text, range)] }

  /// The slot of the token that stands for some bytes, or the free one where it belongs.
  private func place(_ text: Span<UInt8>, _ range: Range<Int>) -> Int {
    var hash: UInt32 = 2_166_136_261  // FNV-1a
    for index in range { hash = (hash ^ UInt32(text[index])) &* 16_777_619 }
    var slot = Int((hash ^ hash >> 15) &* 0x2c1b_3c6d) & mask
    while slots[slot] >= 0, !stands(Int(slots[slot]), text, range) { slot = (slot + 1) & mask }
    return slot
  }

  private func stands(_ id: Int, _ text: Span<UInt8>, _ range: Range<Int>) -> Bool {
    guard starts[id + 1] - starts[id] == range.count else { return false }
    for offset in 0..<range.count where bytes[starts[id] + offset] != text[range.lowerBound + offset] {
      return false
    }
    return true
  }
}
