// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// What is known of a model without asking it.
public struct ModelProfile: Hashable, Sendable, Codable {
  /// The model's name, unique within a pipeline.
  public var id: String
  /// Changes whenever the same prompt could be answered differently; part of every cache key.
  public var revision: String
  /// How many tokens prompt and answer may have together.
  public var contextLength: Int
  /// How capable it is relative to the others.
  public var tier: ModelTier
  /// What its work costs.
  public var price: ModelPrice

  /// Creates a profile.
  public init(
    id: String,
    revision: String = "1",
    contextLength: Int,
    tier: ModelTier = .small,
    price: ModelPrice = ModelPrice()
  ) {
    self.id = id
    self.revision = revision
    self.contextLength = contextLength
    self.tier = tier
    self.price = price
  }
}
