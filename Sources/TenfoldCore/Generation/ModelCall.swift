// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// One call of a model made for a request.
public struct ModelCall: Hashable, Sendable, Codable {
  /// The model's id.
  public var model: String
  /// The model's tier.
  public var tier: ModelTier
  /// What the call took.
  public var usage: TokenUsage
  /// What the call cost.
  public var cost: Money

  /// Creates a record.
  public init(model: String, tier: ModelTier, usage: TokenUsage, cost: Money) {
    self.model = model
    self.tier = tier
    self.usage = usage
    self.cost = cost
  }
}
