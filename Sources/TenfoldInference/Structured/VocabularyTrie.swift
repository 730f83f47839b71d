// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// All tokens of a vocabulary by their bytes, in one walk's order.
///
/// A node stands for a beginning that tokens have in common. Nodes follow each other depth first, each with the index
/// after its last descendant, so that a beginning that is not allowed is skipped with all that follow from it.
final class VocabularyTrie: Sendable {
  /// The last byte of each node's beginning.
  let bytes: [UInt8]
  /// How many bytes come before that.
  let depths: [UInt16]
  /// The node after the last descendant.
  let ends: [Int32]
  /// Where each node's own tokens begin in ``tokens``; one more than there are nodes.
  let firstTokens: [Int32]
  let tokens: [Int32]
  /// The most bytes of a token.
  let maximumDepth: Int
  /// The bytes that are tokens by themselves.
  let singleBytes: Set<UInt8>
  /// How many ids there are, those without bytes included.
  let tokenCount: Int

  /// - Parameters:
  ///   - count: How many ids there are.
  ///   - bytesOf: The bytes of an id in running text; empty for control tokens.
  init(count: Int, bytesOf: (Int32) -> [UInt8]) {
    var all: [(bytes: [UInt8], id: Int32)] = []
    all.reserveCapacity(count)
    for id in 0..<Int32(count) {
      let bytes = bytesOf(id)
      // Longer tokens exist in no vocabulary that is of use here.
      if !bytes.isEmpty, bytes.count < 1 << 14 { all.append((bytes, id)) }
    }
    all.sort { a, b in
      a.bytes.lexicographicallyPrecedes(b.bytes) || (a.bytes == b.bytes && a.id < b.id)
    }
    var bytes: [UInt8] = []
    var depths: [UInt16] = []
    var ends: [Int32] = []
    var firstTokens: [Int32] = []
    var tokens: [Int32] = []
    // The nodes from the root to the last one.
    var path: [Int] = []
    var previous: [UInt8] = []
    for (text, id) in all {
      var common = 0
      while common < previous.count, common < text.count, previous[common] == text[common] { common += 1 }
      while path.count > common { ends[path.removeLast()] = Int32(bytes.count) }
      for index in common..<text.count {
        path.append(bytes.count)
        bytes.append(text[index])
        depths.append(UInt16(index))
        ends.append(0)
        firstTokens.append(Int32(tokens.count))
      }
      tokens.append(id)
      previous = text
    }
    while let node = path.popLast() { ends[node] = Int32(bytes.count) }
    firstTokens.append(Int32(tokens.count))
    self.bytes = bytes
    self.depths = depths
    self.ends = ends
    self.firstTokens = firstTokens
    self.tokens = tokens
    singleBytes = Set(all.lazy.filter { $0.bytes.count == 1 }.map { $0.bytes[0] })
    maximumDepth = all.reduce(0) { max($0, $1.bytes.count) }
    tokenCount = count
  }

  /// Tokens that together have the given bytes, each the longest that fits; `nil` if there are none.
  func tokens(for text: [UInt8]) -> [Int32]? {
    var result: [Int32] = []
    var start = 0
    while start < text.count {
      guard let (token, length) = longest(text[start...]) else { return nil }
      result.append(token)
      start += length
    }
    return result
  }

  private func longest(_ text: ArraySlice<UInt8>) -> (token: Int32, length: Int)? {
    var best: (Int32, Int)?
    var node = 0
    var end = bytes.count
    var length = 0
    for byte in text {
      while node < end, bytes[node] != byte { node = Int(ends[node]) }
      guard node < end else { break }
      length += 1
      if firstTokens[node] < ownTokensEnd(node) { best = (tokens[Int(firstTokens[node])], length) }
      end = Int(ends[node])
      node += 1
    }
    return best
  }

  /// The end of a node's own tokens: those of its first descendant follow.
  @inline(__always)
  func ownTokensEnd(_ node: Int) -> Int32 { firstTokens[node + 1] }
}
