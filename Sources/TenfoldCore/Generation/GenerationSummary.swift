// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// How an answer ended, what it took, and how sure the model was of it.
public struct GenerationSummary: Sendable, Codable {
  /// Why the answer ended.
  public var reason: FinishReason
  /// Tokens and times.
  public var usage: TokenUsage
  /// Who answered and on what grounds.
  public var provenance: Provenance
  /// The mean natural-log probability of the generated tokens, where the model knows it.
  public var meanLogProbability: Double?
  /// The probability of each of the request's choices, in their order, adding up to 1; empty without choices.
  public var choiceProbabilities: [Double]
  /// How sure the model was of its tokens, where it knows.
  public var certainty: AnswerCertainty?
  /// The answer's tokens one by one, where log probabilities were asked for.
  public var tokenLogProbabilities: [TokenLogProbability]
  /// The further answers, where more than one was asked for.
  public var alternatives: [AlternativeAnswer]

  /// Creates a summary.
  public init(
    reason: FinishReason,
    usage: TokenUsage,
    provenance: Provenance,
    meanLogProbability: Double? = nil,
    choiceProbabilities: [Double] = [],
    certainty: AnswerCertainty? = nil,
    tokenLogProbabilities: [TokenLogProbability] = [],
    alternatives: [AlternativeAnswer] = []
  ) {
    self.reason = reason
    self.usage = usage
    self.provenance = provenance
    self.meanLogProbability = meanLogProbability
    self.choiceProbabilities = choiceProbabilities
    self.certainty = certainty
    self.tokenLogProbabilities = tokenLogProbabilities
    self.alternatives = alternatives
  }
}
