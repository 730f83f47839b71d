// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// One of the further answers that a request with `alternatives` asked for.
public struct AlternativeAnswer: Hashable, Sendable, Codable {
  /// The text.
  public var text: String
  /// Why it ended.
  public var reason: FinishReason
  /// How many tokens it took; the summary's usage includes them.
  public var completionTokens: Int
  /// How sure the model was of it.
  public var certainty: AnswerCertainty?

  /// Creates an answer.
  public init(text: String, reason: FinishReason, completionTokens: Int, certainty: AnswerCertainty? = nil) {
    self.text = text
    self.reason = reason
    self.completionTokens = completionTokens
    self.certainty = certainty
  }
}
