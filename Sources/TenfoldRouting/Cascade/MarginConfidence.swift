// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Takes a model's own certainty for its confidence, through a calibrated curve.
///
/// Among given choices the score is the log-odds of the best against the second best; for free text it is the mean
/// log-probability of the tokens. Raw certainty is not a probability of being right: fit the curves on answers whose
/// truth is known (``ConfidenceCalibration/fit(_:)``).
public struct MarginConfidence: CompletionConfidence {
  /// The curve over the log-odds of the best choice against the second best.
  public let choiceCalibration: ConfidenceCalibration
  /// The curve over the mean log-probability of free text.
  public let textCalibration: ConfidenceCalibration

  /// Creates a judge.
  ///
  /// - Parameters:
  ///   - choiceCalibration: By default the identity: the model's own odds between its two best choices.
  ///   - textCalibration: By default one half at a mean log-probability of -1 and 0.88 at 0.
  public init(
    choiceCalibration: ConfidenceCalibration = ConfidenceCalibration(slope: 1, intercept: 0),
    textCalibration: ConfidenceCalibration = ConfidenceCalibration(slope: 2, intercept: 2)
  ) {
    self.choiceCalibration = choiceCalibration
    self.textCalibration = textCalibration
  }

  /// The log-odds of the best choice against the second best.
  ///
  /// - Parameter probabilities: The choices' probabilities.
  /// - Returns: 0 or more, at most 40; `nil` with fewer than two choices or with values that are no probabilities.
  public static func margin(_ probabilities: [Double]) -> Double? {
    guard probabilities.count >= 2, probabilities.allSatisfy({ $0 >= 0 && $0 <= 1.000_001 }) else { return nil }
    let sorted = probabilities.sorted(by: >)
    // A probability of zero stands for less than the smallest one that is told apart.
    let floor = 1e-17
    return min(40, log(max(sorted[0], floor)) - log(max(sorted[1], floor)))
  }

  /// Judges an answer by its summary alone.
  ///
  /// - Parameters:
  ///   - completion: The answer.
  ///   - request: What was asked.
  /// - Returns: A probability; 0 when the model told nothing of its certainty.
  /// - Throws: Never.
  public func confidence(in completion: Completion, for request: InferenceRequest) async throws -> Double {
    if let margin = Self.margin(completion.summary.choiceProbabilities) {
      return choiceCalibration.probability(margin)
    }
    guard request.options.choices.isEmpty, let mean = completion.summary.meanLogProbability else { return 0 }
    return textCalibration.probability(mean)
  }
}
