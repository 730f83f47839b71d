// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A document that a text search found.
public struct ScoredDocument: Hashable, Sendable {
  /// The number that the owner of the index gave the document.
  public var number: UInt64
  /// How well it fits; above 0 and never NaN.
  public var score: Float

  /// Creates a scored document.
  public init(number: UInt64, score: Float) {
    self.number = number
    self.score = score
  }
}
