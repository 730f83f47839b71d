// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The tables of a byte-level BPE model: what each id stands for, the id of each byte, and the merge rules.
struct BytePairVocabulary: Sendable {
  /// What a token is for; the numbers are those of GGUF's `tokenizer.ggml.token_type`.
  enum Kind: Int, Sendable {
    case normal = 1
    case unknown = 2
    case control = 3
    case userDefined = 4
    case unused = 5
    case byte = 6
  }

  /// The id of each single byte, or -1.
  let byteIDs: [Int32]
  let pairs: PairTable
  let kinds: [Kind]
  /// The bytes of all tokens, one after the other.
  let tokenBytes: [UInt8]
  /// Where each token's bytes start; one more than there are tokens.
  let tokenStarts: [Int]

  init(tokens: GGUFStringArray, kinds: [Int]?, merges: GGUFStringArray) throws(ModelError) {
    let count = tokens.count
    guard count > 0, count < Int(Int32.max), merges.count < Int(Int32.max) else {
      throw ModelError(.invalidTokenizer, "The vocabulary has \(count) tokens; use a complete model file.")
    }
    guard kinds == nil || kinds?.count == count else {
      throw ModelError(
        .invalidTokenizer,
        "The vocabulary has \(count) tokens but \(kinds?.count ?? 0) token types; use another model file."
      )
    }
    self.kinds =
      kinds.map { $0.map { Kind(rawValue: $0) ?? .normal } } ?? Array(repeating: .normal, count: count)
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
    (tokenBytes, tokenStarts) = Self.decoded(strings, self.kinds)
  }

  var count: Int { kinds.count }

  private static func byteIDs(_ strings: ByteStringTable) -> [Int32] {
    ByteLevelAlphabet.scalars.map { scalar in
      var bytes: [UInt8] = []
      UTF8Scanner.append(scalar, to: &bytes)
      // A view of plain bytes, for the length of the call.
      return unsafe strings.id(bytes.span.bytes, 0..<bytes.count, 0..<0)
    }
  }

  /// The bytes each token stands for: spelled in the byte alphabet, except for special tokens.
  private static func decoded(_ strings: ByteStringTable, _ kinds: [Kind]) -> ([UInt8], [Int]) {
    var bytes: [UInt8] = []
    var starts: [Int] = [0]
    bytes.reserveCapacity(strings.bytes.count)
    starts.reserveCapacity(kinds.count + 1)
    let table = ByteLevelAlphabet.bytes
    for id in kinds.indices {
      let range = strings.range(id)
      let isSpelled = kinds[id] == .normal || kinds[id] == .unused || kinds[id] == .byte
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
