// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// SentencePiece's byte-pair encoding with byte fallback, as Llama 2, TinyLlama and Mistral use it.
///
/// Ids equal those of the reference (llama.cpp) for every string, save that text never becomes a control token or the
/// token of a raw byte by being spelled like one. Text is not normalised, and U+2581, which stands for a space in
/// pieces, becomes a space. Time is linear in the text; only a run of *n* bytes whose neighbours all occur in pieces
/// costs O(*n* log *n*).
///
/// Short words are remembered: a thread that encodes takes 1.1 MiB for that and no more, and a tokenizer keeps the memory of
/// four of them.
///
/// ```swift
/// let file = try GGUFFile(path: "/models/tinyllama.gguf")
/// let tokenizer = try SentencePieceTokenizer(metadata: file.metadata)
/// let ids = tokenizer.encode("Hello, world!")
/// ```
public final class SentencePieceTokenizer: DecoderTokenizer, BoundedTokens {
  private let vocabulary: SentencePieceVocabulary
  private let special: SpecialTokens
  private let scratches: ScratchPool<MergeScratch>

  /// Whether a space is put before a text, and before text that follows a special token.
  public let addsSpacePrefix: Bool

  /// Builds the tokenizer that a GGUF file carries.
  ///
  /// - Parameter metadata: The file's metadata.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/missing``, ``ModelError/Code/unsupported`` or
  ///   ``ModelError/Code/invalidTokenizer``.
  public init(metadata: GGUFMetadata) throws(ModelError) {
    let model = try metadata.string(for: "tokenizer.ggml.model")
    guard model == "llama" else {
      throw ModelError(
        .unsupported,
        "Tokenizer model \(model) is not supported here; use a model with llama (SentencePiece BPE)."
      )
    }
    let scoresValue = metadata["tokenizer.ggml.scores"]
    if let tokens = metadata["tokenizer.ggml.tokens"]?.arrayCount, let scores = scoresValue?.arrayCount,
      tokens != scores
    {
      throw SentencePieceVocabulary.wrongScores(tokens: tokens, scores: scores)
    }
    guard let tokens = metadata["tokenizer.ggml.tokens"]?.stringArray, let scores = scoresValue?.floatArray
    else {
      throw ModelError(
        .missing,
        "The file lacks tokenizer.ggml.tokens or tokenizer.ggml.scores; use a complete model file."
      )
    }
    let vocabulary = try SentencePieceVocabulary(
      tokens: tokens,
      kinds: TokenKind.all(metadata, of: tokens),
      scores: scores
    )
    self.vocabulary = vocabulary
    let pairs = vocabulary.pairs
    scratches = ScratchPool { MergeScratch(pairs) }
    special = SpecialTokens(
      metadata,
      kinds: vocabulary.kinds,
      addsBeginning: true,
      bytes: { Array(vocabulary.bytes(of: $0)) }
    )
    addsSpacePrefix = metadata["tokenizer.ggml.add_space_prefix"]?.bool ?? true
  }

  /// The number of ids.
  public var vocabularySize: Int { vocabulary.count }

  /// The id that begins a text, where the file names one.
  public var beginningOfSequence: Int32? { special.beginningOfSequence }

  /// Whether prompts begin with ``beginningOfSequence``; they do unless the file says otherwise.
  public var addsBeginningOfSequence: Bool { special.addsBeginningOfSequence }

  /// The id that ends an answer, where the file names one.
  public var endOfSequence: Int32? { special.endOfSequence }

  /// The id that ends a turn of a conversation, where the file names one.
  public var endOfTurn: Int32? { special.endOfTurn }

  /// The id of the control token spelled `text`, such as `</s>`.
  ///
  /// - Parameter text: The token's spelling.
  /// - Returns: The id, or `nil` if the vocabulary has no such control token.
  public func controlToken(_ text: String) -> Int32? { special.controlIDs[text] }

  /// Whether `id` is a control token, which stands for no text.
  ///
  /// - Parameter id: A token id.
  /// - Returns: `true` for control tokens.
  public func isControl(_ id: Int32) -> Bool {
    vocabulary.kinds.indices.contains(Int(id)) && vocabulary.kinds[Int(id)] == .control
  }

  var longestToken: Int { vocabulary.longestToken }

  /// What has no token of its own becomes that of the unknown.
  var droppedBytes: Set<UInt8> { [] }

  /// Turns UTF-8 into token ids, with a space before it where ``addsSpacePrefix``; invalid sequences become U+FFFD first.
  ///
  /// - Parameters:
  ///   - utf8: The text's bytes.
  ///   - parsingSpecial: Whether control tokens written out in the text become control ids.
  /// - Returns: The ids.
  /// - Complexity: O(*n*) in the number of bytes.
  public func encode(utf8: [UInt8], parsingSpecial: Bool) -> [Int32] {
    encode(UTF8Scanner.repaired(utf8), parsingSpecial: parsingSpecial, addingSpaces: addsSpacePrefix)
  }

  /// Turns text that continues other text into token ids, which stand for exactly this text.
  ///
  /// - Parameter text: The text; control tokens written out in it stay text.
  /// - Returns: The ids.
  /// - Complexity: O(*n*) in the text's length.
  public func encode(continuation text: String) -> [Int32] {
    encode(Array(text.utf8), parsingSpecial: false, addingSpaces: false)
  }

  private func encode(_ text: [UInt8], parsingSpecial: Bool, addingSpaces: Bool) -> [Int32] {
    var ids: [Int32] = []
    ids.reserveCapacity(text.count / 3 + 4)
    scratches.withScratch { scratch in
      var start = 0
      func encodePlain(_ end: Int) {
        guard start < end else { return }
        // A copy, so that the space before it merges like any other.
        let piece: [UInt8] = (addingSpaces ? [0x20] : []) + text[start..<end]
        var index = 0
        while index < piece.count {
          let end = vocabulary.wordEnd(piece.span, from: index, limit: piece.count)
          scratch.encode(piece.span, index..<end, vocabulary, into: &ids)
          index = end
        }
      }
      for match in special.matches(in: text, parsingSpecial: parsingSpecial) {
        encodePlain(match.range.lowerBound)
        ids.append(match.id)
        start = match.range.upperBound
      }
      encodePlain(text.count)
    }
    return ids
  }

  /// The bytes `id` stands for in running text; empty for control tokens and for ids out of range.
  ///
  /// - Parameter id: A token id.
  /// - Returns: The bytes, which need not be whole UTF-8 scalars.
  public func bytes(of id: Int32) -> [UInt8] { Array(text(of: id)) }

  private func text(of id: Int32) -> ArraySlice<UInt8> {
    let index = Int(id)
    guard vocabulary.kinds.indices.contains(index) else { return [] }
    let kind = vocabulary.kinds[index]
    guard kind != .control, kind != .unknown else { return [] }
    return vocabulary.bytes(of: index)
  }

  /// The text of `ids`, without control tokens and the space that was put before it.
  ///
  /// - Parameter ids: Token ids.
  /// - Returns: The text, with invalid UTF-8 repaired.
  public func decode(_ ids: [Int32]) -> String {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(ids.count * 5)
    for id in ids { bytes += text(of: id) }
    if addsSpacePrefix, bytes.first == 0x20 { bytes.removeFirst() }
    return String(decoding: bytes, as: UTF8.self)
  }
}
