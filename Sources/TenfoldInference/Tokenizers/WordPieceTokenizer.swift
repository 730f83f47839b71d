// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// WordPiece as BERT models use it, with their normalisation and word splitting.
///
/// Ids equal those of the reference (Hugging Face tokenizers). Words of more than 100 characters, or with a
/// part the vocabulary lacks, become `[UNK]`. Time is linear in the text.
///
/// ```swift
/// let tokenizer = try WordPieceTokenizer(path: "/models/vocab.txt")
/// let ids = tokenizer.encode("How do I reset my password?", maximumTokens: 256)
/// ```
public final class WordPieceTokenizer: Tokenizer {
  /// The id of `[CLS]`, which begins every sequence.
  public let classification: Int32
  /// The id of `[SEP]`, which ends every sequence.
  public let separator: Int32
  /// The id of `[UNK]`.
  public let unknown: Int32
  /// How text is normalised.
  public let options: Options
  private let pieces: [String]
  private let trie: WordPieceTrie
  private let special: SpecialTokenMatcher
  private let specialIDs: Set<Int32>
  private let normalizer: BertNormalizer
  /// Longer words are unknown, as in the reference.
  private static let maximumWordLength = 100

  /// Reads a `vocab.txt`: one piece a line, the line's number being its id.
  ///
  /// - Parameters:
  ///   - path: The file.
  ///   - options: How text is normalised.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/inputOutput`` or
  ///   ``ModelError/Code/invalidTokenizer``.
  public convenience init(path: String, options: Options = Options()) throws(ModelError) {
    let file = try MappedFile(path: path)
    // The bytes are copied within the call.
    let bytes = unsafe file.withUnsafeBytes { unsafe Array($0) }
    try self.init(vocabulary: bytes, options: options)
  }

  /// Builds the tokenizer from the bytes of a `vocab.txt`.
  ///
  /// - Parameters:
  ///   - vocabulary: One piece a line, the line's number being its id.
  ///   - options: How text is normalised.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/invalidTokenizer``.
  public init(vocabulary: [UInt8], options: Options = Options()) throws(ModelError) {
    guard vocabulary.count <= 64 << 20 else {
      throw ModelError(
        .invalidTokenizer,
        "The vocabulary has \(vocabulary.count) bytes; 64 MiB are read. Is this vocab.txt?"
      )
    }
    var lines = vocabulary.split(separator: 0x0a, omittingEmptySubsequences: false)
    if lines.last?.isEmpty == true { lines.removeLast() }
    var trie = WordPieceTrie(byteCount: vocabulary.count)
    var special: [(bytes: [UInt8], id: Int32)] = []
    var ids: [String: Int32] = [:]
    var pieces: [String] = []
    pieces.reserveCapacity(lines.count)
    let marker = [UInt8](repeating: UInt8(ascii: "#"), count: 2)[...]
    let names: Set<String> = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    for (number, var line) in lines.enumerated() {
      if line.last == 0x0d { line.removeLast() }
      let id = Int32(truncatingIfNeeded: number)
      let piece = String(decoding: line, as: UTF8.self)
      pieces.append(piece)
      guard !line.isEmpty else { continue }
      if names.contains(piece) {
        ids[piece] = id
        special.append((Array(line), id))
      }
      trie.insert(line, from: WordPieceTrie.wordStart, id: id)
      if line.starts(with: marker), line.count > 2 {
        trie.insert(line.dropFirst(2), from: WordPieceTrie.continuation, id: id)
      }
    }
    guard let classification = ids["[CLS]"], let separator = ids["[SEP]"], let unknown = ids["[UNK]"] else {
      throw ModelError(
        .invalidTokenizer,
        "The vocabulary lacks [CLS], [SEP] or [UNK]; use the vocab.txt of a BERT model."
      )
    }
    self.classification = classification
    self.separator = separator
    self.unknown = unknown
    self.options = options
    normalizer = BertNormalizer(options)
    self.pieces = pieces
    self.trie = trie
    self.special = SpecialTokenMatcher(special)
    self.specialIDs = Set(special.map(\.id))
  }

  /// The number of ids.
  public var vocabularySize: Int { pieces.count }

  /// Turns text into a sequence for the encoder: `[CLS]`, the pieces, `[SEP]`, cut to a length.
  ///
  /// `[CLS]`, `[SEP]`, `[MASK]`, `[UNK]` and `[PAD]` written in the text become those tokens, as in the
  /// reference: an encoder only embeds, so they give nobody control.
  ///
  /// - Parameters:
  ///   - text: The text.
  ///   - maximumTokens: The longest result, both ends included; less than 2 counts as 2.
  /// - Returns: The ids, and whether pieces were cut off.
  public func encode(_ text: String, maximumTokens: Int) -> (ids: [Int32], isTruncated: Bool) {
    let limit = max(2, maximumTokens) - 2
    var ids: [Int32] = [classification]
    let pieces = pieces(Array(text.utf8), parsingSpecial: true, limit: limit)
    ids += pieces.prefix(limit)
    ids.append(separator)
    return (ids, pieces.count > limit)
  }

  /// Turns UTF-8 into `[CLS]`, pieces and `[SEP]`; invalid sequences become U+FFFD, which is then deleted.
  ///
  /// - Parameters:
  ///   - utf8: The text's bytes.
  ///   - parsingSpecial: Whether `[CLS]` and the like written in the text become those tokens.
  /// - Returns: The ids, of any number.
  /// - Complexity: O(*n*) in the number of bytes.
  public func encode(utf8: [UInt8], parsingSpecial: Bool) -> [Int32] {
    [classification] + pieces(utf8, parsingSpecial: parsingSpecial, limit: .max) + [separator]
  }

  /// The pieces of a text; stops soon after `limit` of them.
  private func pieces(_ utf8: [UInt8], parsingSpecial: Bool, limit: Int) -> [Int32] {
    let text = UTF8Scanner.repaired(utf8)
    var ids: [Int32] = []
    var start = 0
    if parsingSpecial {
      for match in special.matches(in: text) where ids.count <= limit {
        append(text.span, start..<match.range.lowerBound, &ids, limit)
        ids.append(match.id)
        start = match.range.upperBound
      }
    }
    if ids.count <= limit { append(text.span, start..<text.count, &ids, limit) }
    return ids
  }

  private func append(_ text: Span<UInt8>, _ range: Range<Int>, _ ids: inout [Int32], _ limit: Int) {
    normalizer.words(text, range) { word in
      append(word, &ids)
      return ids.count <= limit
    }
  }

  private func append(_ word: Span<UInt8>, _ ids: inout [Int32]) {
    let first = ids.count
    if word.count > Self.maximumWordLength {
      var length = 0
      for index in 0..<word.count where word[index] & 0xc0 != 0x80 { length += 1 }
      guard length <= Self.maximumWordLength else {
        ids.append(unknown)
        return
      }
    }
    var start = 0
    var root = WordPieceTrie.wordStart
    while start < word.count {
      guard let (id, end) = trie.longest(word, from: start, root: root) else {
        ids.removeSubrange(first...)
        ids.append(unknown)
        return
      }
      ids.append(id)
      start = end
      root = WordPieceTrie.continuation
    }
  }

  /// The bytes `id` adds to running text: a space and a word, or the rest of one; empty for special tokens.
  ///
  /// - Parameter id: A token id.
  /// - Returns: The bytes.
  public func bytes(of id: Int32) -> [UInt8] {
    guard pieces.indices.contains(Int(id)), !specialIDs.contains(id) else { return [] }
    let piece = pieces[Int(id)]
    return piece.hasPrefix("##") && piece.utf8.count > 2
      ? Array(piece.utf8.dropFirst(2)) : [0x20] + Array(piece.utf8)
  }
}
