// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// How sure a model was of the tokens of an answer, as it made them.
public struct AnswerCertainty: Hashable, Sendable, Codable {
  /// The mean natural-log probability of the tokens.
  public var meanLogProbability: Double
  /// The natural-log probability of the least likely token.
  public var minimumLogProbability: Double
  /// The mean entropy of the model's choice in nats, where log probabilities were asked for.
  public var meanEntropy: Double?
  /// The mean distance between the probabilities of the two likeliest tokens, where log probabilities were asked for.
  public var meanMargin: Double?

  /// Creates a record.
  public init(
    meanLogProbability: Double,
    minimumLogProbability: Double,
    meanEntropy: Double? = nil,
    meanMargin: Double? = nil
  ) {
    self.meanLogProbability = meanLogProbability
    self.minimumLogProbability = minimumLogProbability
    self.meanEntropy = meanEntropy
    self.meanMargin = meanMargin
  }
}
