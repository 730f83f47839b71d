// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The pieces of a WordPiece vocabulary as a trie over bytes, so that the longest match costs its own length.
struct WordPieceTrie: Sendable {
  /// (node << 8 | byte) + 1 → child; 0 marks an empty slot.
  private var keys: [UInt32]
  private var children: [UInt32]
  private let mask: Int
  /// The piece that ends at a node, or -1.
  private var pieces: [Int32] = [-1, -1]

  /// The node before the first byte of a word.
  static let wordStart: UInt32 = 0
  /// The node before a piece inside a word.
  static let continuation: UInt32 = 1

  init(byteCount: Int) {
    var size = 1_024
    while size < byteCount * 2 { size *= 2 }
    keys = Array(repeating: 0, count: size)
    children = Array(repeating: 0, count: size)
    mask = size - 1
  }

  @inline(__always)
  private func slot(_ key: UInt32) -> Int {
    var index = Int((key &* 0x9e37_79b1) >> 7) & mask
    while keys[index] != 0, keys[index] != key { index = (index + 1) & mask }
    return index
  }

  /// Adds a piece; of equal pieces the last is found.
  mutating func insert(_ bytes: ArraySlice<UInt8>, from root: UInt32, id: Int32) {
    var node = root
    for byte in bytes {
      let key = (node << 8 | UInt32(byte)) + 1
      let index = slot(key)
      if keys[index] == 0 {
        keys[index] = key
        children[index] = UInt32(pieces.count)
        pieces.append(-1)
      }
      node = children[index]
    }
    pieces[Int(node)] = id
  }

  /// The longest piece at `start`: its id and end, or `nil`.
  @inline(__always)
  func longest(_ word: Span<UInt8>, from start: Int, root: UInt32) -> (id: Int32, end: Int)? {
    var node = root
    var index = start
    var best: (id: Int32, end: Int)?
    while index < word.count {
      let found = slot((node << 8 | UInt32(word[index])) + 1)
      guard keys[found] != 0 else { break }
      node = children[found]
      index += 1
      if pieces[Int(node)] >= 0 { best = (pieces[Int(node)], index) }
    }
    return best
  }
}
