// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldKernels

/// The tables of a byte-level BPE model: what each id stands for, the id of each byte, and the merge rules.
struct BytePairVocabulary: MergeVocabulary, Sendable {
  /// The id of each single byte, or -1.
  let byteIDs: [Int32]
  let pairs: PairTable
  private let characters: CharacterMerges
  let kinds: [TokenKind]
  /// The bytes of all tokens, one after the other.
  let tokenBytes: [UInt8]
  /// Where each token's bytes start; one more than there are tokens.
  let tokenStarts: [Int]
  /// The tokens that a whole word becomes before any merge; `nil` where words are always merged.
  private let words: TokenIndex?

  /// Reads the tables.
  ///
  /// - Parameters:
  ///   - tokens: The spelling of each token.
  ///   - kinds: What each token is for.
  ///   - merges: The rules, two tokens with a space between them, the first to apply first.
  ///   - ignoresMerges: Whether a word that is a token becomes that token, whatever the rules say.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/invalidTokenizer``.
  init(
    tokens: GGUFStringArray,
    kinds: [TokenKind],
    merges: GGUFStringArray,
    ignoresMerges: Bool
  ) throws(ModelError) {
    let count = tokens.count
    guard (1..<PairTable.symbolLimit).contains(count), merges.count <= Int(PairTable.noRank) else {
      throw ModelError(
        .invalidTokenizer,
        """
        The vocabulary has \(count) tokens (1 to \(PairTable.symbolLimit - 1) are read) and \(merges.count) merges (up to \
        \(PairTable.noRank)); use a complete model file.
        """
      )
    }
    self.kinds = kinds
    // In each step two things that don't need each other and take about as long.
    let pool = WorkerPool(threads: min(2, WorkerPool.defaultThreadCount))
    let spelled = try Spelled(tokens)
    let (found, read) = pool.sideBySide {
      (CharacterMerges.Builder(merges).finish(), Self.decoded(spelled, kinds))
    } and: {
      Result { () throws(ModelError) in
        let ids = SpelledIDs(index: spelled.index())
        return (ids.byteIDs, try ids.rules(merges))
      }
    }
    let rules: [PairTable.Rule]
    (byteIDs, rules) = try read.get()
    (tokenBytes, tokenStarts) = found.1
    (pairs, characters) = pool.sideBySide {
      PairTable(rules)
    } and: {
      CharacterMerges(found.0, rules)
    }
    guard ignoresMerges else {
      words = nil
      return
    }
    // Control tokens are left out: text never becomes one.
    words = TokenIndex(bytes: tokenBytes, starts: tokenStarts) { Self.isSpelled(kinds[$0]) }
  }

  var count: Int { kinds.count }

  /// The bytes a token stands for.
  func bytes(of id: Int) -> ArraySlice<UInt8> { tokenBytes[tokenStarts[id]..<tokenStarts[id + 1]] }

  /// The most bytes of text that become one token, those that are dropped not counted.
  ///
  /// A merged token is spelled as the two it is made of, so that it stands for no more bytes than it has.
  var longestToken: Int { zip(tokenStarts, tokenStarts.dropFirst()).reduce(1) { max($0, $1.1 - $1.0) } }

  /// Bytes without a token.
  var droppedBytes: Set<UInt8> {
    Set(byteIDs.indices.filter { byteIDs[$0] < 0 }.map { UInt8(truncatingIfNeeded: $0) })
  }

  @inline(__always)
  func wholeWord(_ text: Span<UInt8>, _ range: Range<Int>) -> Int32 {
    guard let words else { return -1 }
    return words.id(text, range)
  }

  func partEnd(_ text: Span<UInt8>, _ range: Range<Int>) -> Int {
    var (character, end) = Self.character(text, range.lowerBound, range.upperBound)
    while end < range.upperBound {
      let (next, nextEnd) = Self.character(text, end, range.upperBound)
      if characters.isCut(Self.place(text, end, character, next)) { return end }
      (character, end) = (next, nextEnd)
    }
    return end
  }

  /// Bytes the vocabulary lacks are negative, and dropped when all merging is done, as the reference does.
  func appendSymbols(_ text: Span<UInt8>, _ range: Range<Int>, to symbols: inout [Int32]) {
    var start = range.lowerBound
    var wasSettled = true
    while start < range.upperBound {
      let (character, end) = Self.character(text, start, range.upperBound)
      var isSettled = true
      if end < range.upperBound {
        let next = Self.character(text, end, range.upperBound).value
        isSettled = !characters.isUnsettled(Self.place(text, end, character, next))
      }
      let symbol = end - start > 1 && wasSettled && isSettled ? characters.symbol(of: character) : -1
      if symbol >= 0 {
        symbols.append(symbol)
      } else {
        for place in start..<end { symbols.append(byteIDs[Int(text[place])]) }
      }
      wasSettled = isSettled
      start = end
    }
  }

  /// The character at a place and where it ends; a byte, if a cut left no more of it.
  @inline(__always)
  private static func character(
    _ text: Span<UInt8>,
    _ place: Int,
    _ limit: Int
  ) -> (value: UInt32, end: Int) {
    let first = text[place]
    let end = place + UTF8Scanner.length(first)
    guard end > place + 1, end <= limit else { return (UInt32(first), place + 1) }
    return (UTF8Scanner.scalar(text, at: place).value, end)
  }

  @inline(__always)
  private static func place(
    _ text: Span<UInt8>,
    _ index: Int,
    _ last: UInt32,
    _ first: UInt32
  ) -> CharacterMerges.Place {
    CharacterMerges.Place(
      lastCharacter: last,
      firstCharacter: first,
      lastByte: text[index - 1],
      firstByte: text[index]
    )
  }

  @inline(__always)
  func appendTokens(of symbol: Int32, to ids: inout [Int32]) {
    if symbol >= 0 { ids.append(symbol) }
  }

  /// Whether a token is spelled in the byte alphabet.
  private static func isSpelled(_ kind: TokenKind) -> Bool {
    kind == .normal || kind == .unused || kind == .byte
  }

  /// The bytes each token stands for: spelled in the byte alphabet, except for special tokens.
  private static func decoded(_ spelled: Spelled, _ kinds: [TokenKind]) -> ([UInt8], [Int]) {
    var bytes: [UInt8] = []
    var starts: [Int] = [0]
    bytes.reserveCapacity(spelled.bytes.count)
    starts.reserveCapacity(kinds.count + 1)
    let table = ByteLevelAlphabet.bytes
    for id in kinds.indices {
      let range = spelled.starts[id]..<spelled.starts[id + 1]
      let isSpelled = isSpelled(kinds[id])
      var index = range.lowerBound
      while index < range.upperBound {
        let byte = spelled.bytes[index]
        if isSpelled, byte >= 0xc2, byte <= 0xc5, index + 1 < range.upperBound {
          let scalar = Int(byte & 0x1f) << 6 | Int(spelled.bytes[index + 1] & 0x3f)
          if scalar < table.count, table[scalar] >= 0 {
            bytes.append(UInt8(truncatingIfNeeded: table[scalar]))
            index += 2
            continue
          }
        }
        bytes.append(byte)
        index += 1
      }
      starts.append(bytes.count)
    }
    return (bytes, starts)
  }
}
