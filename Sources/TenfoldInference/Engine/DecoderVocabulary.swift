// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// What the engine needs to know of a model's tokens.
protocol DecoderVocabulary: Sendable {
  /// Tokens that end an answer; their text is not shown.
  var endTokens: Set<Int32> { get }

  /// The token with which the model ends its turn; `nil` if there is none.
  var turnEnd: Int32? { get }

  /// How many tokens there are.
  var count: Int { get }

  /// The most bytes of text that become one token, those that are dropped not counted; `nil` where there is no such number.
  ///
  /// What has more bytes than this many a token has too many tokens, which can be said without counting them.
  var longestToken: Int? { get }

  /// Bytes that become no token wherever they stand.
  var droppedBytes: Set<UInt8> { get }

  /// The text of a message that is certain to be in a conversation's tokens, whatever the template leaves out.
  func certainText(of message: ChatMessage) -> Substring

  /// The bytes a token stands for in an answer; empty for control tokens and ids out of range.
  func bytes(of token: Int32) -> [UInt8]

  /// The tokens of a raw prompt, begun as the model wants it; control-token text in it stays text.
  func encode(prompt text: String) throws(ModelError) -> [Int32]

  /// The tokens of text within an answer, which stand for exactly this text; control-token text in it stays text.
  func encode(_ text: String) throws(ModelError) -> [Int32]

  /// The tokens of a conversation by the model's own template, followed by the start of the model's turn.
  func encode(_ messages: [ChatMessage]) throws(ModelError) -> [Int32]

  /// Something that turns the tokens of one answer into text.
  func makeDetokenizer() -> any TokenDetokenizer
}

extension DecoderVocabulary {
  var longestToken: Int? { nil }
  var droppedBytes: Set<UInt8> { [] }

  func certainText(of message: ChatMessage) -> Substring { message.content.trimmed }

  func encode(prompt text: String) throws(ModelError) -> [Int32] { try encode(text) }
}

/// Turns tokens into text piece by piece.
protocol TokenDetokenizer: Sendable {
  /// The text that is certain after another token; empty in the middle of a scalar.
  mutating func take(_ token: Int32) -> String

  /// What is left at the end, with an unfinished scalar repaired.
  mutating func flush() -> String
}
