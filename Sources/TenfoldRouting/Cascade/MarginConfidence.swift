// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// How sure an answer is, from how clearly the model preferred it.
///
/// With choices the score is the distance between the two likeliest ones; without, it is the mean probability of a
/// token. The raw score says little; fit a calibration to answers that you have judged.
///
/// ```swift
/// let confidence = MarginConfidence(choices: .platt(fitting: judged))
/// let cascade = try CascadeModel(id: "answerer", small: small, large: large, confidence: confidence)
/// ```
public struct MarginConfidence: CompletionConfidence {
  /// The calibration of the margin between choices, in 0...1.
  public var choices: ConfidenceCalibration
  /// The calibration of the mean token probability, in 0...1.
  public var text: ConfidenceCalibration
  /// What is said of an answer whose model reports neither.
  public var unknown: Double

  /// Creates a confidence.
  public init(
    choices: ConfidenceCalibration = .identity,
    text: ConfidenceCalibration = .identity,
    unknown: Double = 0
  ) {
    self.choices = choices
    self.text = text
    self.unknown = unknown.isNaN ? 0 : min(max(unknown, 0), 1)
  }

  /// The raw score of an answer, before calibration.
  ///
  /// - Parameter completion: The answer.
  /// - Returns: The margin or the mean probability, in 0...1, or `nil` when the model reports neither.
  public static func score(of completion: Completion) -> Double? {
    let probabilities = completion.summary.choiceProbabilities.filter(\.isFinite).sorted(by: >)
    if let first = probabilities.first { return first - (probabilities.count > 1 ? probabilities[1] : 0) }
    guard let mean = completion.summary.meanLogProbability, mean.isFinite else { return nil }
    return min(1, mean.exponential)
  }

  /// Judges an answer.
  ///
  /// - Parameters:
  ///   - completion: The answer with its summary.
  ///   - request: What was asked.
  /// - Returns: The calibrated probability that it is right; 0 for an answer without text, or cut off by a deadline or by the
  ///   model's context. One that reached the request's own `maxTokens` is judged like any other.
  /// - Throws: Never.
  public func confidence(in completion: Completion, for request: InferenceRequest) async throws -> Double {
    guard completion.isJudgeable else { return 0 }
    guard let score = Self.score(of: completion) else { return unknown }
    let calibration = completion.summary.choiceProbabilities.isEmpty ? text : choices
    return calibration.probability(of: score)
  }
}
