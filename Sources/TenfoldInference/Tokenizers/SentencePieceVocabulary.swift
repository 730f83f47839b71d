// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The tables of a SentencePiece BPE model: what each piece stands for, and which pieces merge.
///
/// Two neighbours merge where together they are a piece, and the best score goes first; so the pairs of pieces that
/// make up another are merge rules, ranked by its score. Symbols are the ids of pieces; from ``count`` on the single
/// characters that are no piece but begin or end one; and for all other characters ``otherCharacter`` plus the scalar.
struct SentencePieceVocabulary: MergeVocabulary, Sendable {
  /// Symbols from here on are characters of which no piece is made.
  private static let otherCharacter: Int32 = 1 << 30
  /// Longer pieces are refused; those of real models have at most 16 characters.
  private static let maximumPieceLength = 256
  /// The character that stands for a space in pieces.
  private static let spaceMark: UInt32 = 0x2581

  let kinds: [TokenKind]
  let pairs: PairTable
  /// The bytes of all pieces, one after the other; spaces are spaces.
  private let pieceBytes: [UInt8]
  private let pieceStarts: [Int]
  /// The piece of each single byte.
  private let byteIDs: [Int32]
  /// Scalar → the symbol of this one character, where it has one.
  private let characters: IntegerTable
  /// The same for ASCII, with ``otherCharacter`` plus the scalar where it has none.
  private let charactersASCII: [Int32]
  /// The characters that are symbols but no pieces, by symbol less ``count``.
  private let parts: [UInt32]
  /// Which characters follow each other inside a piece: for ASCII by first * 128 + second, for others as pairs.
  private let adjacentASCII: [Bool]
  private let adjacent: IntegerTable

  /// Reads the tables.
  ///
  /// - Throws: ``ModelError`` with code ``ModelError/Code/invalidTokenizer``.
  init(tokens: GGUFStringArray, kinds: [TokenKind], scores: [Double]) throws(ModelError) {
    let count = tokens.count
    guard (1..<PairTable.symbolLimit).contains(count), scores.count == count else {
      throw Self.wrongScores(tokens: count, scores: scores.count)
    }
    guard !scores.contains(where: \.isNaN) else {
      throw ModelError(.invalidTokenizer, "A token's score is not a number; fetch the model file again.")
    }
    self.kinds = kinds
    (pieceBytes, pieceStarts) = try Self.spelled(tokens, kinds)
    byteIDs = try Self.byteIDs(pieceBytes, pieceStarts, kinds)
    let (bytes, starts) = (pieceBytes, pieceStarts)
    let index = TokenIndex(bytes: bytes, starts: starts) { kinds[$0] == .normal || kinds[$0] == .unused }
    var builder = Builder(index: index, ranks: Self.ranks(scores))
    for id in 0..<count where kinds[id] == .normal || kinds[id] == .unused {
      let range = starts[id]..<starts[id + 1]
      // Of equal pieces only the one that is found takes part.
      guard !range.isEmpty, index.id(bytes.span, range) == Int32(truncatingIfNeeded: id) else { continue }
      builder.add(bytes, range, id: Int32(truncatingIfNeeded: id))
    }
    guard count + builder.parts.count <= PairTable.symbolLimit else {
      throw ModelError(
        .invalidTokenizer,
        "The vocabulary's pieces have too many characters; use another model file."
      )
    }
    pairs = builder.pairs()
    characters = builder.characterTable()
    let table = characters
    charactersASCII = (0..<128).map { Self.symbol($0, table) }
    parts = builder.parts
    adjacentASCII = builder.adjacentASCII
    adjacent = builder.adjacentTable()
  }

  var count: Int { kinds.count }

  /// The bytes a piece stands for.
  func bytes(of id: Int) -> ArraySlice<UInt8> { pieceBytes[pieceStarts[id]..<pieceStarts[id + 1]] }

  /// The most bytes of text that become one token: a space of a piece may be written as its mark, which takes three.
  var longestToken: Int { 3 * zip(pieceStarts, pieceStarts.dropFirst()).reduce(1) { max($0, $1.1 - $1.0) } }

  // MARK: - Words

  /// The scalar at `index` with a space for the character that marks one, and its length in bytes.
  @inline(__always)
  private func scalar(_ text: Span<UInt8>, at index: Int) -> (value: UInt32, length: Int) {
    let found = UTF8Scanner.scalar(text, at: index)
    return found.value == Self.spaceMark ? (0x20, found.length) : found
  }

  /// The end of the word that starts at `start`: the first place that no piece reaches across.
  ///
  /// What is before it and what is after it are merged independently, which keeps words short.
  func wordEnd(_ text: Span<UInt8>, from start: Int, limit: Int) -> Int {
    var (last, length) = scalar(text, at: start)
    var index = start + length
    while index < limit {
      let byte = text[index]
      if last < 0x80, byte < 0x80 {
        guard adjacentASCII[Int(last << 7 | UInt32(byte))] else { return index }
        last = UInt32(byte)
        index += 1
        continue
      }
      let (next, nextLength) = scalar(text, at: index)
      guard adjoins(last, next) else { return index }
      last = next
      index += nextLength
    }
    return limit
  }

  @inline(__always)
  private func adjoins(_ first: UInt32, _ second: UInt32) -> Bool {
    // A space may be written as a mark, which is not ASCII.
    first | second < 0x80
      ? adjacentASCII[Int(first << 7 | second)] : adjacent[UInt64(first) << 32 | UInt64(second)] >= 0
  }

  @inline(__always)
  func wholeWord(_ text: Span<UInt8>, _ range: Range<Int>) -> Int32 { -1 }

  /// Words end where parts would.
  @inline(__always)
  func partEnd(_ text: Span<UInt8>, _ range: Range<Int>) -> Int { range.upperBound }

  func appendSymbols(_ text: Span<UInt8>, _ range: Range<Int>, to symbols: inout [Int32]) {
    var index = range.lowerBound
    while index < range.upperBound {
      let (value, length) = scalar(text, at: index)
      symbols.append(value < 0x80 ? charactersASCII[Int(value)] : Self.symbol(value, characters))
      index += length
    }
  }

  @inline(__always)
  private static func symbol(_ scalar: UInt32, _ characters: borrowing IntegerTable) -> Int32 {
    let symbol = characters[UInt64(scalar)]
    return symbol >= 0 ? symbol : otherCharacter + Int32(bitPattern: scalar)
  }

  @inline(__always)
  func appendTokens(of symbol: Int32, to ids: inout [Int32]) {
    guard symbol >= Int32(truncatingIfNeeded: count) else {
      ids.append(symbol)
      return
    }
    let isPart = symbol < Self.otherCharacter
    appendBytes(
      of: isPart ? parts[Int(symbol) - count] : UInt32(bitPattern: symbol - Self.otherCharacter),
      to: &ids
    )
  }

  /// Appends the tokens of the bytes of a character.
  private func appendBytes(of scalar: UInt32, to ids: inout [Int32]) {
    let length = scalar < 0x80 ? 1 : scalar < 0x800 ? 2 : scalar < 0x1_0000 ? 3 : 4
    guard length > 1 else {
      ids.append(byteIDs[Int(scalar)])
      return
    }
    let mark: UInt32 = length == 2 ? 0xc0 : length == 3 ? 0xe0 : 0xf0
    ids.append(byteIDs[Int((mark | scalar >> UInt32(6 * (length - 1))) & 0xff)])
    for rest in stride(from: length - 2, through: 0, by: -1) {
      ids.append(byteIDs[Int(0x80 | scalar >> UInt32(6 * rest) & 0x3f)])
    }
  }

  // MARK: - Reading

  /// What each token stands for.
  private static func spelled(
    _ tokens: GGUFStringArray,
    _ kinds: [TokenKind]
  ) throws(ModelError) -> ([UInt8], [Int]) {
    var bytes: [UInt8] = []
    var starts: [Int] = [0]
    bytes.reserveCapacity(tokens.byteCount)
    starts.reserveCapacity(kinds.count + 1)
    try tokens.visit { (source, range) throws(ModelError) in
      let id = starts.count - 1
      // The range lies inside the array's checked bytes.
      var spelling = unsafe source.extracting(range).withUnsafeBytes { unsafe Array($0) }
      switch kinds[id] {
      case .byte:
        guard let byte = byte(spelling) else {
          throw ModelError(
            .invalidTokenizer,
            "Token \(id) is to be a byte but is not spelled like one (<0x41>); fetch the model file again."
          )
        }
        spelling = [byte]
      case .normal, .unused:
        guard spelling.count <= maximumPieceLength else {
          throw ModelError(
            .invalidTokenizer,
            "Token \(id) has \(spelling.count) bytes; pieces have at most \(maximumPieceLength)."
          )
        }
        spelling = unmarked(spelling)
      case .unknown, .control, .userDefined: break
      }
      bytes += spelling
      starts.append(bytes.count)
    }
    guard starts.count == kinds.count + 1 else {
      throw ModelError(.invalidTokenizer, "The vocabulary's strings are inconsistent; fetch the file again.")
    }
    return (bytes, starts)
  }

  /// The byte of a spelling like `<0x41>`.
  private static func byte(_ spelling: [UInt8]) -> UInt8? {
    guard spelling.count == 6, spelling.starts(with: "<0x".utf8), spelling[5] == UInt8(ascii: ">") else {
      return nil
    }
    return UInt8(String(decoding: spelling[3...4], as: UTF8.self), radix: 16)
  }

  /// A spelling with spaces for the characters that mark them.
  private static func unmarked(_ spelling: [UInt8]) -> [UInt8] {
    guard spelling.contains(0xe2) else { return spelling }
    var result: [UInt8] = []
    var index = 0
    while index < spelling.count {
      if spelling[index...].starts(with: [0xe2, 0x96, 0x81]) {
        result.append(0x20)
        index += 3
      } else {
        result.append(spelling[index])
        index += 1
      }
    }
    return result
  }

  private static func byteIDs(
    _ bytes: [UInt8],
    _ starts: [Int],
    _ kinds: [TokenKind]
  ) throws(ModelError) -> [Int32] {
    var ids = [Int32](repeating: -1, count: 256)
    for id in kinds.indices where kinds[id] == .byte {
      ids[Int(bytes[starts[id]])] = Int32(truncatingIfNeeded: id)
    }
    if let missing = ids.firstIndex(of: -1) {
      throw ModelError(
        .invalidTokenizer,
        """
        The vocabulary has no token for the byte \(missing), so that some text could not be told; use a model with \
        byte fallback.
        """
      )
    }
    return ids
  }

  /// What is said of a vocabulary with a wrong number of tokens or scores.
  static func wrongScores(tokens: Int, scores: Int) -> ModelError {
    ModelError(
      .invalidTokenizer,
      """
      The vocabulary has \(tokens) tokens (at most \(PairTable.symbolLimit - 1) are read) and \(scores) scores; use \
      another model file.
      """
    )
  }

  /// The ranks of scores: 0 for the best, equal for equal ones.
  private static func ranks(_ scores: [Double]) -> [UInt32] {
    var ranks = [UInt32](repeating: 0, count: scores.count)
    var rank: UInt32 = 0
    var last: Double?
    for id in scores.indices.sorted(by: { scores[$0] > scores[$1] }) {
      if let last, last != scores[id] { rank += 1 }
      last = scores[id]
      ranks[id] = rank
    }
    return ranks
  }

  // MARK: - Building

  /// Collects what pieces are made of.
  private struct Builder {
    let index: TokenIndex
    let ranks: [UInt32]
    private var rules: [(left: Int32, right: Int32, id: Int32)] = []
    private var single: [(scalar: UInt32, symbol: Int32)] = []
    private(set) var parts: [UInt32] = []
    private var partSymbols: [UInt32: Int32] = [:]
    private var neighbours: Set<UInt64> = []
    private(set) var adjacentASCII = [Bool](repeating: false, count: 128 * 128)

    init(index: TokenIndex, ranks: [UInt32]) {
      self.index = index
      self.ranks = ranks
    }

    /// Adds a piece: the pairs of symbols that merge into it, and the characters that are neighbours in it.
    mutating func add(_ bytes: [UInt8], _ range: Range<Int>, id: Int32) {
      let piece = Array(bytes[range])
      // What is no UTF-8 is in no text.
      guard UTF8Scanner.repaired(piece) == piece else { return }
      let text = piece.span
      var scalars: [(value: UInt32, start: Int)] = []
      var offset = 0
      while offset < piece.count {
        let (value, length) = UTF8Scanner.scalar(text, at: offset)
        scalars.append((value, offset))
        offset += length
      }
      if scalars.count == 1 { single.append((scalars[0].value, id)) }
      for number in scalars.indices.dropFirst() {
        let (first, second) = (scalars[number - 1].value, scalars[number].value)
        if first < 0x80, second < 0x80 {
          adjacentASCII[Int(first << 7 | second)] = true
        } else {
          neighbours.insert(UInt64(first) << 32 | UInt64(second))
        }
        let cut = scalars[number].start
        let left = symbol(text, 0..<cut, character: number == 1 ? first : nil)
        let right = symbol(text, cut..<piece.count, character: number + 1 == scalars.count ? second : nil)
        if left >= 0, right >= 0 { rules.append((left, right, id)) }
      }
    }

    /// The symbol of a part of a piece, or -1; `character` if it is a single one.
    private mutating func symbol(_ text: Span<UInt8>, _ range: Range<Int>, character: UInt32?) -> Int32 {
      let id = index.id(text, range)
      guard id < 0, let character else { return id }
      if let symbol = partSymbols[character] { return symbol }
      let symbol = Int32(truncatingIfNeeded: ranks.count + parts.count)
      partSymbols[character] = symbol
      parts.append(character)
      single.append((character, symbol))
      return symbol
    }

    func pairs() -> PairTable {
      PairTable(
        rules.map { PairTable.Rule(left: $0.left, right: $0.right, rank: ranks[Int($0.id)], result: $0.id) }
      )
    }

    func characterTable() -> IntegerTable {
      var table = IntegerTable(capacity: single.count)
      for (scalar, symbol) in single { table.insert(UInt64(scalar), symbol) }
      return table
    }

    func adjacentTable() -> IntegerTable {
      var table = IntegerTable(capacity: neighbours.count)
      for pair in neighbours { table.insert(pair, 0) }
      return table
    }
  }
}
