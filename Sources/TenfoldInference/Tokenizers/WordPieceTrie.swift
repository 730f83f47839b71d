// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The pieces of a WordPiece vocabulary as a trie over bytes, so that the longest match costs its own length.
struct WordPieceTrie: Sendable {
  /// The most nodes that numbers in `slots` have room for.
  static let nodeLimit = 1 << 24

  /// Parent (24 bits), byte (8), child (24), with open addressing; 0 is free, as no node has the first for a child.
  private var slots: [UInt64]
  private var mask: Int
  private var shift: UInt64
  /// The piece that ends at a node, or -1.
  private var pieces: [Int32] = [-1, -1]

  /// The node before the first byte of a word.
  static let wordStart: UInt32 = 0
  /// The node before a piece inside a word.
  static let continuation: UInt32 = 1

  init() {
    slots = Array(repeating: 0, count: 1 << 12)
    mask = 1 << 12 - 1
    shift = 64 - 12
  }

  /// The slot of a node's child, or the free one where it belongs.
  @inline(__always)
  private func slot(_ node: UInt32, _ byte: UInt8) -> Int {
    let key = UInt64(node) << 8 | UInt64(byte)
    var index = Int(truncatingIfNeeded: (key &* 0x9e37_79b9_7f4a_7c15) >> shift)
    while slots[index] != 0, slots[index] >> 24 != key { index = (index + 1) & mask }
    return index
  }

  /// Adds a piece; of equal pieces the last is found.
  ///
  /// Together pieces have fewer than ``nodeLimit`` - 2 bytes.
  mutating func insert(_ bytes: ArraySlice<UInt8>, from root: UInt32, id: Int32) {
    var node = root
    for byte in bytes {
      let index = slot(node, byte)
      if slots[index] == 0 {
        let child = UInt32(truncatingIfNeeded: pieces.count)
        slots[index] = (UInt64(node) << 8 | UInt64(byte)) << 24 | UInt64(child)
        pieces.append(-1)
        node = child
        if pieces.count * 2 > slots.count { grow() }
      } else {
        node = UInt32(truncatingIfNeeded: slots[index] & 0xff_ffff)
      }
    }
    pieces[Int(node)] = id
  }

  private mutating func grow() {
    let old = slots
    slots = Array(repeating: 0, count: old.count * 2)
    mask = slots.count - 1
    shift -= 1
    for entry in old where entry != 0 {
      slots[slot(UInt32(truncatingIfNeeded: entry >> 32), UInt8(truncatingIfNeeded: entry >> 24))] = entry
    }
  }

  /// The longest piece at `start`: its id and end, or `nil`.
  @inline(__always)
  func longest(_ word: Span<UInt8>, from start: Int, root: UInt32) -> (id: Int32, end: Int)? {
    var node = root
    var index = start
    var best: (id: Int32, end: Int)?
    while index < word.count {
      let found = slots[slot(node, word[index])]
      guard found != 0 else { break }
      node = UInt32(truncatingIfNeeded: found & 0xff_ffff)
      index += 1
      let piece = pieces[Int(node)]
      if piece >= 0 { best = (piece, index) }
    }
    return best
  }
}
