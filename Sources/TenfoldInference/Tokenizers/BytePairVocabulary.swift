// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The tables of a byte-level BPE model: what each id stands for, the id of each byte, and the merge rules.
struct BytePairVocabulary: MergeVocabulary, Sendable {
  /// The id of each single byte, or -1.
  let byteIDs: [Int32]
  let pairs: PairTable
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
    guard count > 0, count < Int(Int32.max), merges.count < Int(Int32.max) else {
      throw ModelError(.invalidTokenizer, "The vocabulary has \(count) tokens; use a complete model file.")
    }
    self.kinds = kinds
    var strings = ByteStringTable(capacity: count, byteCount: tokens.byteCount)
    tokens.visit { strings.append($0, $1) }
    guard strings.count == count else {
      throw ModelError(.invalidTokenizer, "The vocabulary's strings are inconsistent; fetch the file again.")
    }
    var pairs = PairTable(capacity: merges.count)
    var rank: Int32 = 0
    try merges.visit { (bytes, range) throws(ModelError) in
      var split = range.lowerBound + 1
      // One byte per load, bounds-checked.
      while split < range.upperBound {
        let byte = unsafe bytes.unsafeLoad(fromByteOffset: split, as: UInt8.self)
        if byte == 0x20 { break }
        split += 1
      }
      guard split + 1 < range.upperBound else {
        throw ModelError(.invalidTokenizer, "Merge \(rank) is not two tokens; fetch the model file again.")
      }
      let first = range.lowerBound..<split
      let second = split + 1..<range.upperBound
      let none = split..<split
      let left = strings.id(bytes, first, none)
      let right = strings.id(bytes, second, none)
      let merged = strings.id(bytes, first, second)
      guard left >= 0, right >= 0, merged >= 0 else {
        throw ModelError(
          .invalidTokenizer,
          "Merge \(rank) names a token that is not in the vocabulary; use another model file."
        )
      }
      pairs.insert(left, right, rank: rank, id: merged)
      rank += 1
    }
    self.pairs = pairs
    byteIDs = Self.byteIDs(strings)
    let (tokenBytes, tokenStarts) = Self.decoded(strings, kinds)
    self.tokenBytes = tokenBytes
    self.tokenStarts = tokenStarts
    guard ignoresMerges else {
      words = nil
      return
    }
    // Control tokens are left out: text never becomes one.
    words = TokenIndex(bytes: tokenBytes, starts: tokenStarts) { Self.isSpelled(kinds[$0]) }
  }

  var count: Int { kinds.count }

  /// The bytes a token stands for.
  func bytes(of id: Int) -> [UInt8] { Array(tokenBytes[tokenStarts[id]..<tokenStarts[id + 1]]) }

  @inline(__always)
  func wholeWord(_ text: Span<UInt8>, _ range: Range<Int>) -> Int32 {
    guard let words else { return -1 }
    return words.id(text, range)
  }

  @inline(__always)
  func appendSymbols(_ text: Span<UInt8>, _ range: Range<Int>, to symbols: inout [Int32]) {
    // Bytes the vocabulary lacks are negative and dropped later, as the reference does.
    for index in range { symbols.append(byteIDs[Int(text[index])]) }
  }

  @inline(__always)
  func appendTokens(of symbol: Int32, to ids: inout [Int32]) { ids.append(symbol) }

  /// Whether a token is spelled in the byte alphabet.
  private static func isSpelled(_ kind: TokenKind) -> Bool {
    kind == .normal || kind == .unused || kind == .byte
  }

  private static func byteIDs(_ strings: ByteStringTable) -> [Int32] {
    ByteLevelAlphabet.scalars.map { scalar in
      var bytes: [UInt8] = []
      UTF8Scanner.append(scalar, to: &bytes)
      // A view of plain bytes, for the length of the call.
      return unsafe strings.id(bytes.span.bytes, 0..<bytes.count, 0..<0)
    }
  }

  /// The bytes each token stands for: spelled in the byte alphabet, except for special tokens.
  private static func decoded(_ strings: ByteStringTable, _ kinds: [TokenKind]) -> ([UInt8], [Int]) {
    var bytes: [UInt8] = []
    var starts: [Int] = [0]
    bytes.reserveCapacity(strings.bytes.count)
    starts.reserveCapacity(kinds.count + 1)
    let table = ByteLevelAlphabet.bytes
    for id in kinds.indices {
      let range = strings.range(id)
      let isSpelled = isSpelled(kinds[id])
      var index = range.lowerBound
      while index < range.upperBound {
        let byte = strings.bytes[index]
        if isSpelled, byte >= 0xc2, byte <= 0xc5, index + 1 < range.upperBound {
          let scalar = Int(byte & 0x1f) << 6 | Int(strings.bytes[index + 1] & 0x3f)
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
