// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Byte-level byte-pair encoding as GPT-2 introduced it, with the pre-tokenizers of GPT-2, SmolLM2, Qwen 2 and Llama 3.
///
/// Ids equal those of the reference (llama.cpp) for every string. Text is not normalised. Time is linear in
/// the text; only one unbroken word of *n* bytes costs O(*n* log *n*).
///
/// Short words are remembered: a thread that encodes takes 1.1 MiB for that and no more, and a tokenizer keeps the memory of
/// four of them.
///
/// ```swift
/// let file = try GGUFFile(path: "/models/model.gguf")
/// let tokenizer = try BytePairTokenizer(metadata: file.metadata)
/// let ids = tokenizer.encode("Hello, world!")
/// let text = tokenizer.decode(ids)
/// ```
public final class BytePairTokenizer: DecoderTokenizer, BoundedTokens {
  private let vocabulary: BytePairVocabulary
  private let splitter: WordSplitter
  private let special: SpecialTokens
  private let scratches: ScratchPool<MergeScratch>

  /// Builds the tokenizer that a GGUF file carries.
  ///
  /// - Parameter metadata: The file's metadata.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/missing``, ``ModelError/Code/unsupported`` or
  ///   ``ModelError/Code/invalidTokenizer``.
  public init(metadata: GGUFMetadata) throws(ModelError) {
    let model = try metadata.string(for: "tokenizer.ggml.model")
    guard model == "gpt2" else {
      throw ModelError(
        .unsupported,
        "Tokenizer model \(model) is not supported here; use a model with gpt2 (byte-level BPE)."
      )
    }
    let name = try metadata.string(for: "tokenizer.ggml.pre")
    guard let style = WordSplitter.Style(name: name) else {
      throw ModelError(
        .unsupported,
        """
        Pre-tokenizer \(name) is not supported; use a model with one of \(WordSplitter.Style.names.joined(separator: ", ")).
        """
      )
    }
    guard let tokens = metadata["tokenizer.ggml.tokens"]?.stringArray,
      let merges = metadata["tokenizer.ggml.merges"]?.stringArray
    else {
      throw ModelError(
        .missing,
        "The file lacks tokenizer.ggml.tokens or tokenizer.ggml.merges; use a complete model file."
      )
    }
    let vocabulary = try BytePairVocabulary(
      tokens: tokens,
      kinds: TokenKind.all(metadata, of: tokens),
      merges: merges,
      ignoresMerges: style == .llama3
    )
    self.vocabulary = vocabulary
    let pairs = vocabulary.pairs
    scratches = ScratchPool { MergeScratch(pairs) }
    self.splitter = WordSplitter(style: style)
    special = SpecialTokens(
      metadata,
      kinds: vocabulary.kinds,
      addsBeginning: style == .llama3,
      bytes: { Array(vocabulary.bytes(of: $0)) }
    )
  }

  /// The number of ids.
  public var vocabularySize: Int { vocabulary.count }

  /// The id that begins a text, where the file names one.
  public var beginningOfSequence: Int32? { special.beginningOfSequence }

  /// Whether prompts begin with ``beginningOfSequence``: with Llama 3, but not with SmolLM2 and Qwen.
  public var addsBeginningOfSequence: Bool { special.addsBeginningOfSequence }

  /// The id that ends an answer, where the file names one.
  public var endOfSequence: Int32? { special.endOfSequence }

  /// The id that ends a turn of a conversation, where the file names one.
  public var endOfTurn: Int32? { special.endOfTurn }

  /// The id of the control token spelled `text`, such as `<|im_end|>`.
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

  var droppedBytes: Set<UInt8> { vocabulary.droppedBytes }

  /// Turns UTF-8 into token ids; invalid sequences become U+FFFD first.
  ///
  /// - Parameters:
  ///   - utf8: The text's bytes.
  ///   - parsingSpecial: Whether control tokens written out in the text become control ids.
  /// - Returns: The ids.
  /// - Complexity: O(*n*) in the number of bytes.
  public func encode(utf8: [UInt8], parsingSpecial: Bool) -> [Int32] {
    let text = UTF8Scanner.repaired(utf8)
    var ids: [Int32] = []
    ids.reserveCapacity(text.count / 4 + 4)
    scratches.withScratch { scratch in
      var start = 0
      for match in special.matches(in: text, parsingSpecial: parsingSpecial) {
        encodePlain(text.span, start..<match.range.lowerBound, &scratch, &ids)
        ids.append(match.id)
        start = match.range.upperBound
      }
      encodePlain(text.span, start..<text.count, &scratch, &ids)
    }
    return ids
  }

  private func encodePlain(
    _ text: Span<UInt8>,
    _ range: Range<Int>,
    _ scratch: inout MergeScratch,
    _ ids: inout [Int32]
  ) {
    var start = range.lowerBound
    while start < range.upperBound {
      let end = splitter.wordEnd(text, from: start, limit: range.upperBound)
      scratch.encode(text, start..<end, vocabulary, into: &ids)
      start = end
    }
  }

  /// The bytes `id` stands for in running text; empty for control tokens and for ids out of range.
  ///
  /// - Parameter id: A token id.
  /// - Returns: The bytes, which need not be whole UTF-8 scalars.
  public func bytes(of id: Int32) -> [UInt8] { Array(text(of: id)) }

  private func text(of id: Int32) -> ArraySlice<UInt8> {
    let index = Int(id)
    guard vocabulary.kinds.indices.contains(index), vocabulary.kinds[index] != .control else { return [] }
    return vocabulary.bytes(of: index)
  }

  /// The text of `ids`, without control tokens.
  ///
  /// - Parameter ids: Token ids.
  /// - Returns: The text, with invalid UTF-8 repaired.
  public func decode(_ ids: [Int32]) -> String {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(ids.count * 5)
    for id in ids { bytes += text(of: id) }
    return String(decoding: bytes, as: UTF8.self)
  }
}
