// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// An answer that a store had, and whether its time is over.
public struct CacheHit: Sendable, Hashable {
  /// The answer.
  public var answer: CachedAnswer
  /// Whether its time to live has passed; such an answer is served only to who allows it.
  public var isStale: Bool
  /// How much longer it lives; negative for a stale one.
  public var remaining: Duration

  /// Creates a hit.
  public init(answer: CachedAnswer, isStale: Bool, remaining: Duration) {
    self.answer = answer
    self.isStale = isStale
    self.remaining = remaining
  }
}
