// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
public import TenfoldCore

/// Sends easy requests to a cheap model and hard ones to a capable one, by the surface of the question.
///
/// The policy estimates the probability that the cheap model would be wrong (not the gain of the capable one: that
/// estimate turns round on unfamiliar traffic). It needs no training: ``Weights/zeroShot`` are documented guesses, so
/// measure on your own traffic and replace them. When the estimate is above the threshold the most capable healthy
/// candidate goes first, else the cheapest; the others follow as fallbacks.
///
/// ```swift
/// let policy = ComplexityRoutingPolicy(cut: .quantile(largeShare: 0.3))
/// let decision = await policy.decide(request, among: candidates)
/// ```
public final class ComplexityRoutingPolicy: RoutingPolicy {
  /// Where easy ends and hard begins.
  public enum Cut: Hashable, Sendable {
    /// At this probability that the cheap model is wrong; above 1 or not a number, every request is easy.
    case difficulty(Double)
    /// Wherever this share of recent requests lies above; until 64 have been seen, at 0.5.
    case quantile(largeShare: Double)
  }

  /// The weights of a logistic model over ``ComplexityFeatures``.
  public struct Weights: Hashable, Sendable, Codable {
    /// The log-odds of an empty request.
    public var bias: Double
    /// For each doubling of the number of words beyond one.
    public var logWords: Double
    /// For each character of the mean word length beyond five.
    public var wordLength: Double
    /// For each doubling of one plus the numbers.
    public var logNumbers: Double
    /// For each doubling of one plus the signs of mathematics.
    public var logMath: Double
    /// For each doubling of one plus the signs of program text.
    public var logCode: Double
    /// For each reasoning word, up to four.
    public var reasoning: Double
    /// For each look-up word, up to two.
    public var lookUp: Double
    /// For each restricting word, up to four.
    public var constraint: Double
    /// For each denial, up to two.
    public var negation: Double
    /// When passages are attached: the answer only has to be found.
    public var passages: Double
    /// For each turn beyond the first, up to eight.
    public var turn: Double
    /// When the answer is one of given choices.
    public var choices: Double

    /// Guesses from what is known of small models: they fail on long, many-step, numeric and program questions, and do
    /// well where a text to find the answer in is attached.
    public static let zeroShot = Self(
      bias: -2.2,
      logWords: 0.28,
      wordLength: 0.15,
      logNumbers: 0.2,
      logMath: 0.3,
      logCode: 0.3,
      reasoning: 0.45,
      lookUp: -0.25,
      constraint: 0.15,
      negation: 0.25,
      passages: -0.4,
      turn: 0.1,
      choices: 0.2
    )

    /// The probability that the cheap model is wrong.
    ///
    /// - Parameter features: The request's features.
    /// - Returns: A value in 0...1; not a number only if a weight isn't.
    public func difficulty(of features: ComplexityFeatures) -> Double {
      func doublings(_ count: Int) -> Double { Double(1 + max(0, count)).binaryLogarithm }
      var odds = bias
      odds += logWords * doublings(features.words)
      odds += features.words == 0 ? 0 : wordLength * (min(features.meanWordLength, 12) - 5)
      odds += logNumbers * doublings(features.numbers)
      odds += logMath * doublings(features.mathMarks)
      odds += logCode * doublings(features.codeMarks)
      odds += reasoning * Double(min(features.reasoningWords, 4))
      odds += lookUp * Double(min(features.lookUpWords, 2))
      odds += constraint * Double(min(features.constraintWords, 4))
      odds += negation * Double(min(features.negations, 2))
      odds += features.passages > 0 ? passages : 0
      odds += turn * Double(min(max(0, features.turns - 1), 8))
      odds += features.hasChoices ? choices : 0
      return ConfidenceCalibration.logistic(odds)
    }
  }

  /// The weights in use.
  public let weights: Weights
  /// Where easy ends and hard begins.
  public let cut: Cut
  private let recent: Mutex<RecentQuantile>

  /// Creates a policy.
  ///
  /// - Parameters:
  ///   - weights: The weights; by default the guesses that need no training.
  ///   - cut: Where easy ends and hard begins.
  ///   - window: How many recent requests a quantile looks back on.
  public init(weights: Weights = .zeroShot, cut: Cut = .difficulty(0.5), window: Int = 1024) {
    self.weights = weights
    self.cut = cut
    self.recent = Mutex(RecentQuantile(window: window))
  }

  /// Chooses by the estimated difficulty; candidates that are not healthy come last.
  ///
  /// - Parameters:
  ///   - request: The request.
  ///   - candidates: The models to choose from.
  /// - Returns: Every candidate's id once.
  public func decide(_ request: InferenceRequest, among candidates: [RouteCandidate]) async -> RoutingDecision
  {
    let difficulty = weights.difficulty(of: ComplexityFeatures(of: request))
    let threshold: Double =
      switch cut {
      case .difficulty(let value): value
      case .quantile(let share): recent.withLock { $0.observe(difficulty, upperShare: share) }
      }
    let isHard = difficulty >= threshold
    return RoutingDecision(
      order: Self.order(candidates, preferCapable: isHard),
      difficulty: difficulty,
      reason:
        "\(isHard ? "hard" : "easy"): \(difficulty.wholePercent) % vs \(threshold.wholePercent) %"
    )
  }

  /// Healthy before unhealthy; then by tier, the preferred end first; then the one with less work.
  static func order(_ candidates: [RouteCandidate], preferCapable: Bool) -> [String] {
    candidates.enumerated().sorted { left, right in
      let (a, b) = (left.element, right.element)
      if a.isHealthy != b.isHealthy { return a.isHealthy }
      if a.profile.tier.rank != b.profile.tier.rank {
        return (a.profile.tier < b.profile.tier) != preferCapable
      }
      if a.inFlight != b.inFlight { return a.inFlight < b.inFlight }
      return left.offset < right.offset
    }.map(\.element.profile.id)
  }
}
