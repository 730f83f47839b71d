// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A vector that was found.
public struct VectorMatch: Hashable, Sendable {
  /// The vector's id.
  public var id: UInt64
  /// The cosine of the angle to the query, in -1...1 up to rounding; never NaN.
  public var score: Float

  /// Creates a match.
  public init(id: UInt64, score: Float) {
    self.id = id
    self.score = score
  }
}
