// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// The tokenizer and the chat template that a GGUF file carries.
struct GGUFVocabulary: DecoderVocabulary {
  private struct Detokenizer: TokenDetokenizer {
    var decoder: TokenTextDecoder

    mutating func take(_ token: Int32) -> String { decoder.append(token) }
    mutating func flush() -> String { decoder.finish() }
  }

  /// Control tokens with which models end a turn or a text.
  private static let endings = [
    "<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "</s>",
  ]

  let endTokens: Set<Int32>
  let turnEnd: Int32?
  let longestToken: Int?
  let droppedBytes: Set<UInt8>
  private let tokenizer: any DecoderTokenizer
  /// A model without a template that we know still answers raw prompts.
  private let template: Result<ChatTemplate, ModelError>

  init(_ metadata: GGUFMetadata) throws(ModelError) {
    let tokenizer = try metadata.makeTokenizer()
    self.tokenizer = tokenizer
    longestToken = (tokenizer as? any BoundedTokens)?.longestToken
    droppedBytes = (tokenizer as? any BoundedTokens)?.droppedBytes ?? []
    template = Result { () throws(ModelError) in try ChatTemplate(metadata: metadata) }
    endTokens = Set(
      Self.endings.compactMap { tokenizer.controlToken($0) }
        + [tokenizer.endOfSequence, tokenizer.endOfTurn].compactMap { $0 }
    )
    // Where the template does not say it, files of chat models name the end of a turn here, not that of a text.
    turnEnd =
      (try? template.get())?.turnEnd.flatMap { tokenizer.controlToken($0) } ?? tokenizer.endOfTurn
      ?? tokenizer.endOfSequence ?? Self.endings.lazy.compactMap { tokenizer.controlToken($0) }.first
  }

  var count: Int { tokenizer.vocabularySize }

  /// Checks that the model has a logit for every token.
  ///
  /// - Throws: ``ModelError`` with code ``ModelError/Code/invalidTokenizer``.
  func check(against model: DecoderModel) throws(ModelError) {
    guard count <= model.vocabularySize else {
      throw ModelError(
        .invalidTokenizer,
        "The tokenizer has \(count) tokens, the model only \(model.vocabularySize); fetch the file again."
      )
    }
  }

  func certainText(of message: ChatMessage) -> Substring {
    (try? template.get())?.certainText(of: message) ?? message.content.trimmed
  }

  func bytes(of token: Int32) -> [UInt8] { tokenizer.bytes(of: token) }

  func encode(prompt text: String) -> [Int32] { tokenizer.encode(prompt: text) }

  func encode(_ text: String) throws(ModelError) -> [Int32] { tokenizer.encode(continuation: text) }

  func encode(_ messages: [ChatMessage]) throws(ModelError) -> [Int32] {
    try template.get().tokens(messages, addGenerationPrompt: true, tokenizer: tokenizer)
  }

  func makeDetokenizer() -> any TokenDetokenizer {
    Detokenizer(decoder: TokenTextDecoder(tokenizer: tokenizer))
  }
}
