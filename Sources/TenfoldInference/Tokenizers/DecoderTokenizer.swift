// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The tokenizer of a language model: it also knows the tokens that begin and end texts and turns.
///
/// ```swift
/// let tokenizer = try GGUFFile(path: "/models/model.gguf").metadata.makeTokenizer()
/// let ids = tokenizer.encode(prompt: "Once upon a time")
/// ```
public protocol DecoderTokenizer: Tokenizer {
  /// The id that begins a text, where the file names one.
  var beginningOfSequence: Int32? { get }

  /// Whether prompts begin with ``beginningOfSequence``.
  var addsBeginningOfSequence: Bool { get }

  /// The id that ends an answer, where the file names one.
  var endOfSequence: Int32? { get }

  /// The id that ends a turn of a conversation, where the file names one.
  var endOfTurn: Int32? { get }

  /// The id of the control token spelled `text`, such as `<|im_end|>`.
  ///
  /// - Parameter text: The token's spelling.
  /// - Returns: The id, or `nil` if the vocabulary has no such control token.
  func controlToken(_ text: String) -> Int32?

  /// Whether `id` is a control token, which stands for no text.
  ///
  /// - Parameter id: A token id.
  /// - Returns: `true` for control tokens.
  func isControl(_ id: Int32) -> Bool

  /// Turns text that continues other text into token ids, which stand for exactly this text.
  ///
  /// - Parameter text: The text; control tokens written out in it stay text.
  /// - Returns: The ids.
  /// - Complexity: O(*n*) in the text's length.
  func encode(continuation text: String) -> [Int32]
}

extension DecoderTokenizer {
  /// Turns text that continues other text into token ids, which stand for exactly this text.
  ///
  /// - Parameter text: The text; control tokens written out in it stay text.
  /// - Returns: The ids.
  /// - Complexity: O(*n*) in the text's length.
  public func encode(continuation text: String) -> [Int32] { encode(text, parsingSpecial: false) }

  /// Turns a prompt into token ids, begun as the model's file asks for.
  ///
  /// - Parameter text: The text; control tokens written out in it stay text.
  /// - Returns: The ids; none for an empty text.
  /// - Complexity: O(*n*) in the text's length.
  public func encode(prompt text: String) -> [Int32] {
    let ids = encode(text, parsingSpecial: false)
    guard addsBeginningOfSequence, !ids.isEmpty, let beginningOfSequence else { return ids }
    return [beginningOfSequence] + ids
  }
}

/// A tokenizer that knows how much text can become one of its tokens.
protocol BoundedTokens {
  /// The most bytes of text that become one token, those that are dropped not counted.
  var longestToken: Int { get }

  /// Bytes that the vocabulary lacks: they become no token.
  var droppedBytes: Set<UInt8> { get }
}

extension GGUFMetadata {
  /// Builds the tokenizer that the file carries.
  ///
  /// - Returns: A ``BytePairTokenizer`` or a ``SentencePieceTokenizer``.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/missing``, ``ModelError/Code/unsupported`` or
  ///   ``ModelError/Code/invalidTokenizer``.
  public func makeTokenizer() throws(ModelError) -> any DecoderTokenizer {
    let model = try string(for: "tokenizer.ggml.model")
    switch model {
    case "gpt2": return try BytePairTokenizer(metadata: self)
    case "llama": return try SentencePieceTokenizer(metadata: self)
    default:
      throw ModelError(
        .unsupported,
        """
        Tokenizer model \(model) is not supported; use a model with gpt2 (byte-level BPE) or llama (SentencePiece \
        BPE).
        """
      )
    }
  }
}
