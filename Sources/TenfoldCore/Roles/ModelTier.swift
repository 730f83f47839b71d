// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// How capable and how expensive a model is, relative to the others of a pipeline.
public struct ModelTier: Hashable, Sendable, Codable, Comparable, CustomStringConvertible {
  /// Higher is more capable and more expensive.
  public let rank: Int
  /// The tier's name.
  public let name: String

  /// Creates a tier.
  public init(rank: Int, name: String) {
    self.rank = rank
    self.name = name
  }

  /// Cheap and quick; answers what is easy.
  public static let small = Self(rank: 0, name: "small")
  /// Answers what the small one can't.
  public static let large = Self(rank: 10, name: "large")
  /// Runs elsewhere, charged by the token.
  public static let remote = Self(rank: 20, name: "remote")

  /// Orders tiers by rank.
  public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rank < rhs.rank }

  /// The name.
  public var description: String { name }
}
