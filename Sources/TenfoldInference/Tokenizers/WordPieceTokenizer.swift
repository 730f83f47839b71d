// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// WordPiece as BERT models use it, with their normalisation and word splitting.
///
/// Ids equal those of the reference (Hugging Face tokenizers). Words of more than 100 characters, or with a
/// part the vocabulary lacks, become `[UNK]`. Time is linear in the text.
///
/// Short words are remembered: a thread that encodes takes 1 MiB for that and no more, and a tokenizer keeps the memory of
/// four of them.
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
  /// The bytes of all pieces, one after the other.
  private let pieceBytes: [UInt8]
  /// Where each piece's bytes start; one more than there are pieces.
  private let pieceStarts: [Int]
  private let trie: WordPieceTrie
  /// What an ASCII punctuation mark becomes.
  private let punctuation: [Int32]
  private let special: SpecialTokenMatcher
  private let specialIDs: Set<Int32>
  private let normalizer: BertNormalizer
  private let scratches = ScratchPool { WordPieceScratch() }
  /// Longer words are unknown, as in the reference.
  private static let maximumWordLength = 100

  /// Adds the pieces in their order.
  func addPieces(to fingerprint: inout Fingerprint) {
    fingerprint.add(pieceStarts)
    fingerprint.add(pieceBytes)
  }

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
  /// - Throws: ``ModelError`` with code ``ModelError/Code/invalidTokenizer``, also for 8 MiB and more.
  public init(vocabulary: [UInt8], options: Options = Options()) throws(ModelError) {
    guard vocabulary.count < WordPieceTrie.nodeLimit / 2 else {
      throw ModelError(
        .invalidTokenizer,
        "The vocabulary has \(vocabulary.count) bytes; less than 8 MiB are read. Is this vocab.txt?"
      )
    }
    let text = UTF8Scanner.repaired(vocabulary)
    var trie = WordPieceTrie()
    var special: [(bytes: [UInt8], id: Int32)] = []
    var ids: [String: Int32] = [:]
    var starts: [Int] = [0]
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.count)
    Self.visitLines(text) { line in
      let id = Int32(truncatingIfNeeded: starts.count - 1)
      bytes += line
      starts.append(bytes.count)
      guard let first = line.first else { return }
      if first == UInt8(ascii: "["), line.count <= 6 {
        let piece = String(decoding: line, as: UTF8.self)
        if Self.specialNames.contains(piece) {
          ids[piece] = id
          special.append((Array(line), id))
        }
      }
      trie.insert(line, from: WordPieceTrie.wordStart, id: id)
      if line.count > 2, line.prefix(2).allSatisfy({ $0 == UInt8(ascii: "#") }) {
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
    (pieceBytes, pieceStarts) = (bytes, starts)
    self.trie = trie
    punctuation = (0..<128).map { (byte: UInt8) -> Int32 in
      let word = [byte]
      return trie.longest(word.span, from: 0, root: WordPieceTrie.wordStart)?.id ?? unknown
    }
    self.special = SpecialTokenMatcher(special)
    self.specialIDs = Set(special.map(\.id))
  }

  private static let specialNames: Set<String> = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

  /// Calls `body` with each line, without what ends it.
  private static func visitLines(_ text: [UInt8], _ body: (ArraySlice<UInt8>) -> Void) {
    var start = 0
    while start < text.count {
      let end = text[start...].firstIndex(of: 0x0a) ?? text.count
      body(text[start..<(end > start && text[end - 1] == 0x0d ? end - 1 : end)])
      start = end + 1
    }
  }

  /// The number of ids.
  public var vocabularySize: Int { pieceStarts.count - 1 }

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
    ids.reserveCapacity(min(text.count / 4, limit) + 8)
    scratches.withScratch { scratch in
      var start = 0
      if parsingSpecial {
        for match in special.matches(in: text) where ids.count <= limit {
          append(text.span, start..<match.range.lowerBound, &scratch, &ids, limit)
          ids.append(match.id)
          start = match.range.upperBound
        }
      }
      append(text.span, start..<text.count, &scratch, &ids, limit)
    }
    return ids
  }

  private func append(
    _ text: Span<UInt8>,
    _ range: Range<Int>,
    _ scratch: inout WordPieceScratch,
    _ ids: inout [Int32],
    _ limit: Int
  ) {
    var start = range.lowerBound
    while start < range.upperBound, ids.count <= limit {
      let (kind, end) = normalizer.stretch(text, from: start, limit: range.upperBound)
      let stretch = start..<end
      start = end
      if kind == .space { continue }
      if kind == .single, stretch.count == 1 {
        ids.append(punctuation[Int(text[stretch.lowerBound])])
        continue
      }
      guard stretch.count <= WordKey.longestWord else {
        normalize(text, stretch, &scratch, &ids, limit)
        continue
      }
      let key = WordKey(text, stretch)
      let place = WordCache.place(key)
      if scratch.cache.append(key, at: place, to: &ids) { continue }
      let first = ids.count
      normalize(text, stretch, &scratch, &ids, .max)
      scratch.cache.keep(key, at: place, ids, from: first)
    }
  }

  private func normalize(
    _ text: Span<UInt8>,
    _ stretch: Range<Int>,
    _ scratch: inout WordPieceScratch,
    _ ids: inout [Int32],
    _ limit: Int
  ) {
    normalizer.words(text, stretch, &scratch.normalization) { word in
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
    var bytes: [UInt8] = []
    appendBytes(of: id, to: &bytes)
    return bytes
  }

  private func appendBytes(of id: Int32, to bytes: inout [UInt8]) {
    let index = Int(id)
    guard (0..<vocabularySize).contains(index), !specialIDs.contains(id) else { return }
    let piece = pieceBytes[pieceStarts[index]..<pieceStarts[index + 1]]
    if piece.count > 2, piece.prefix(2).allSatisfy({ $0 == UInt8(ascii: "#") }) {
      bytes += piece.dropFirst(2)
    } else {
      bytes.append(UInt8(ascii: " "))
      bytes += piece
    }
  }

  /// The text of `ids`, with a space before each word, without special tokens.
  ///
  /// - Parameter ids: Token ids.
  /// - Returns: The text as it was normalised.
  public func decode(_ ids: [Int32]) -> String {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(ids.count * 5)
    for id in ids { appendBytes(of: id, to: &bytes) }
    return String(decoding: bytes, as: UTF8.self)
  }
}
