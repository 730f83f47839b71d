// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// What a routing policy decided, and why.
public struct RoutingDecision: Hashable, Sendable {
  /// The ids of the models to ask, first choice first; the rest are fallbacks.
  public var order: [String]
  /// The policy's estimate that the cheapest candidate would answer wrongly, in 0...1.
  public var difficulty: Double
  /// The reason in a few words, for provenance.
  public var reason: String

  /// Creates a decision.
  public init(order: [String], difficulty: Double, reason: String) {
    self.order = order
    self.difficulty = difficulty
    self.reason = reason
  }
}
