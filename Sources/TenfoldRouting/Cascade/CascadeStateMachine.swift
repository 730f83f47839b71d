// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// Decides after the small model's answer whether to ask the large one; pure.
///
/// ```swift
/// var machine = CascadeStateMachine(threshold: 0.8)
/// let step = machine.smallAnswered(confidence: 0.6, spent: cost, estimate: estimate, ceiling: nil, timeLeft: nil)
/// ```
public struct CascadeStateMachine: Sendable {
  /// What to do next.
  public enum Step: Hashable, Sendable {
    /// Deliver the small model's answer; it is curtailed if the large model would have been asked with more money or time.
    case deliver(String, isCurtailed: Bool)
    /// Ask the large model.
    case escalate(String)
    /// Give up: there is no answer and nobody left to ask.
    case fail(String)
  }

  /// The least confidence at which the small answer is delivered.
  public let threshold: Double
  /// The least time that must be left to ask the large model.
  public let minimumTimeLeft: Duration
  /// How much likelier than the small answer the large one must be to be right.
  public let minimumGain: Double

  /// Creates a machine; a threshold that is not a number always asks the large model.
  public init(threshold: Double, minimumTimeLeft: Duration = .zero, minimumGain: Double = 0) {
    self.threshold = threshold.isNaN ? .infinity : threshold
    self.minimumTimeLeft = minimumTimeLeft
    self.minimumGain = minimumGain
  }

  /// The small model has answered.
  ///
  /// - Parameters:
  ///   - confidence: The probability that the answer is right.
  ///   - largeAccuracy: The probability that the large model's answer would be right.
  ///   - spent: What the answer cost.
  ///   - estimate: What the large model's answer may cost.
  ///   - ceiling: The most that both may cost.
  ///   - timeLeft: Until the deadline.
  /// - Returns: The next step; never ``Step/fail(_:)``.
  public func smallAnswered(
    confidence: Double,
    largeAccuracy: Double = 1,
    spent: Money,
    estimate: Money,
    ceiling: Money?,
    timeLeft: Duration?
  ) -> Step {
    let percent = confidence.wholePercent
    if confidence >= threshold { return .deliver("confidence \(percent) %", isCurtailed: false) }
    if largeAccuracy - confidence <= minimumGain {
      let accuracy = largeAccuracy.wholePercent
      return .deliver(
        "confidence \(percent) %, and the large model is right in \(accuracy) %",
        isCurtailed: false
      )
    }
    if let ceiling, spent + estimate > ceiling {
      return .deliver("confidence \(percent) %, but the cost ceiling is reached", isCurtailed: true)
    }
    if let timeLeft, timeLeft <= minimumTimeLeft {
      return .deliver("confidence \(percent) %, but no time is left", isCurtailed: true)
    }
    return .escalate("confidence \(percent) %")
  }

  /// The small model has failed.
  ///
  /// - Parameters:
  ///   - mayTryElsewhere: Whether another model could do better with the same request.
  ///   - estimate: What the large model's answer may cost.
  ///   - ceiling: The most that it may cost.
  ///   - timeLeft: Until the deadline.
  /// - Returns: The next step; never ``Step/deliver(_:isCurtailed:)``.
  public func smallFailed(
    mayTryElsewhere: Bool,
    estimate: Money,
    ceiling: Money?,
    timeLeft: Duration?
  ) -> Step {
    guard mayTryElsewhere else { return .fail("the request itself is at fault") }
    if let ceiling, estimate > ceiling { return .fail("the large model is above the cost ceiling") }
    if let timeLeft, timeLeft <= minimumTimeLeft { return .fail("no time is left for the large model") }
    return .escalate("the small model failed")
  }
}
