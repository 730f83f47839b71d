// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Byte-level byte-pair encoding as GPT-2 introduced it, with the pre-tokenizers of SmolLM2 and Qwen 2.
///
/// Ids equal those of the reference (llama.cpp) for every string. Text is not normalised. Time is linear in
/// the text; only one unbroken word of *n* bytes costs O(*n* log *n*).
///
/// ```swift
/// let file = try GGUFFile(path: "/models/model.gguf")
/// let tokenizer = try BytePairTokenizer(metadata: file.metadata)
/// let ids = tokenizer.encode("Hello, world!")
/// let text = tokenizer.decode(ids)
/// ```
public final class BytePairTokenizer: Tokenizer {
  private let vocabulary: BytePairVocabulary
  private let splitter: WordSplitter
  /// Control tokens; parsed only when asked for.
  private let control: SpecialTokenMatcher
  /// Tokens the model's makers added as text; always parsed.
  private let userDefined: SpecialTokenMatcher
  private let controlIDs: [String: Int32]
  /// Working memory of threads that encode, kept between calls; a few at most.
  private let scratches = Mutex<[MergeScratch]>([])

  /// The id that ends an answer, where the file names one.
  public let endOfSequence: Int32?
  /// The id that begins a text, where the file names one; SmolLM2 and Qwen do not add it.
  public let beginningOfSequence: Int32?

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
        "Tokenizer model \(model) is not supported; use a model with gpt2 (byte-level BPE)."
      )
    }
    let name = try metadata.string(for: "tokenizer.ggml.pre")
    guard let style = WordSplitter.Style(rawValue: name) else {
      throw ModelError(
        .unsupported,
        "Pre-tokenizer \(name) is not supported; use a model with smollm or qwen2."
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
    let kinds = metadata["tokenizer.ggml.token_type"]?.intArray
    let vocabulary = try BytePairVocabulary(tokens: tokens, kinds: kinds, merges: merges)
    self.vocabulary = vocabulary
    self.splitter = WordSplitter(style: style)
    var added: [(bytes: [UInt8], id: Int32)] = []
    var all: [(bytes: [UInt8], id: Int32)] = []
    var controlIDs: [String: Int32] = [:]
    for (index, kind) in vocabulary.kinds.enumerated()
    where kind == .control || kind == .unknown || kind == .userDefined {
      let bytes = Array(
        vocabulary.tokenBytes[vocabulary.tokenStarts[index]..<vocabulary.tokenStarts[index + 1]]
      )
      all.append((bytes, Int32(index)))
      if kind == .userDefined { added.append((bytes, Int32(index))) }
      if kind == .control { controlIDs[String(decoding: bytes, as: UTF8.self)] = Int32(index) }
    }
    self.control = SpecialTokenMatcher(all)
    self.userDefined = SpecialTokenMatcher(added)
    self.controlIDs = controlIDs
    func id(_ key: String) -> Int32? {
      metadata[key]?.int.flatMap { vocabulary.kinds.indices.contains($0) ? Int32($0) : nil }
    }
    endOfSequence = id("tokenizer.ggml.eos_token_id")
    beginningOfSequence = id("tokenizer.ggml.bos_token_id")
  }

  /// The number of ids.
  public var vocabularySize: Int { vocabulary.count }

  /// The id of the control token spelled `text`, such as `<|im_end|>`.
  ///
  /// - Parameter text: The token's spelling.
  /// - Returns: The id, or `nil` if the vocabulary has no such control token.
  public func controlToken(_ text: String) -> Int32? { controlIDs[text] }

  /// Whether `id` is a control token, which stands for no text.
  ///
  /// - Parameter id: A token id.
  /// - Returns: `true` for control tokens.
  public func isControl(_ id: Int32) -> Bool {
    vocabulary.kinds.indices.contains(Int(id)) && vocabulary.kinds[Int(id)] == .control
  }

  /// Turns UTF-8 into token ids; invalid sequences become U+FFFD first.
  ///
  /// - Parameters:
  ///   - utf8: The text's bytes.
  ///   - parsingSpecial: Whether control tokens written out in the text become control ids.
  /// - Returns: The ids.
  /// - Complexity: O(*n*) in the number of bytes.
  public func encode(utf8: [UInt8], parsingSpecial: Bool) -> [Int32] {
    let text = UTF8Scanner.repaired(utf8)
    var scratch = scratches.withLock { $0.popLast() } ?? MergeScratch()
    var ids: [Int32] = []
    ids.reserveCapacity(text.count / 4 + 4)
    var start = 0
    let matcher = parsingSpecial ? control : userDefined
    for match in matcher.matches(in: text) {
      encodePlain(text.span, start..<match.range.lowerBound, &scratch, &ids)
      ids.append(match.id)
      start = match.range.upperBound
    }
    encodePlain(text.span, start..<text.count, &scratch, &ids)
    scratches.withLock { if $0.count < 4 { $0.append(scratch) } }
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
  public func bytes(of id: Int32) -> [UInt8] {
    let index = Int(id)
    guard vocabulary.kinds.indices.contains(index), vocabulary.kinds[index] != .control else { return [] }
    return Array(vocabulary.tokenBytes[vocabulary.tokenStarts[index]..<vocabulary.tokenStarts[index + 1]])
  }
}
