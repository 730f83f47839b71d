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

  /// Creates a summary.
  public init(
    reason: FinishReason,
    usage: TokenUsage,
    provenance: Provenance,
    meanLogProbability: Double? = nil,
    choiceProbabilities: [Double] = []
  ) {
    self.reason = reason
    self.usage = usage
    self.provenance = provenance
    self.meanLogProbability = meanLogProbability
    self.choiceProbabilities = choiceProbabilities
  }
}
