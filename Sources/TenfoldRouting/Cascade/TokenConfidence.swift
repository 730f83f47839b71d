// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// How sure an answer is, from the probabilities of its tokens.
///
/// The model tells them as it makes the answer, so the judgement costs no pass. Entropy and margin are known only if
/// the request asks for log probabilities (`GenerationOptions/logProbabilities`, 0 is enough). The raw score says
/// little; fit a calibration to answers that you have judged.
///
/// ```swift
/// let confidence = TokenConfidence(.leastProbability, calibration: .platt(fitting: judged))
/// let cascade = try CascadeModel(id: "answerer", small: small, large: large, confidence: confidence)
/// ```
public struct TokenConfidence: CompletionConfidence {
  /// What the score is taken from.
  public struct Measure: Hashable, Sendable, CustomStringConvertible {
    /// The measure's name.
    public let description: String

    private init(_ description: String) { self.description = description }

    /// The geometric mean of the tokens' probabilities.
    public static let meanProbability = Self("meanProbability")
    /// The probability of the least likely token.
    public static let leastProbability = Self("leastProbability")
    /// *e* to the power of minus the mean entropy: 1 where the model saw one way to go on, 1/*k* where it saw *k*.
    public static let entropy = Self("entropy")
    /// The mean distance between the probabilities of the two likeliest tokens.
    public static let margin = Self("margin")
  }

  /// What the score is taken from.
  public var measure: Measure
  /// The calibration of the score, which is in 0...1.
  public var calibration: ConfidenceCalibration
  /// What is said of an answer whose model does not tell the measure.
  public var unknown: Double

  /// Creates a confidence.
  public init(
    _ measure: Measure = .meanProbability,
    calibration: ConfidenceCalibration = .identity,
    unknown: Double = 0
  ) {
    self.measure = measure
    self.calibration = calibration
    self.unknown = unknown.isNaN ? 0 : min(max(unknown, 0), 1)
  }

  /// The raw score of an answer, before calibration.
  ///
  /// - Parameter completion: The answer.
  /// - Returns: The score, in 0...1, or `nil` when the model does not tell the measure.
  public func score(of completion: Completion) -> Double? {
    let certainty = completion.summary.certainty
    let score: Double? =
      switch measure {
      case .leastProbability: certainty?.minimumLogProbability.exponential
      case .entropy: certainty?.meanEntropy.map { (-$0).exponential }
      case .margin: certainty?.meanMargin
      default: (certainty?.meanLogProbability ?? completion.summary.meanLogProbability)?.exponential
      }
    guard let score, score.isFinite else { return nil }
    return min(1, max(0, score))
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
    return score(of: completion).map(calibration.probability) ?? unknown
  }
}
