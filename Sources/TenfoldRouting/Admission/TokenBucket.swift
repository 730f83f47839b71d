// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// A rate limit that allows bursts; pure.
///
/// ```swift
/// var bucket = TokenBucket(perSecond: 10, burst: 20, now: time.now)
/// if let wait = bucket.take(1, now: time.now) { refuse(retryAfter: wait) }
/// ```
public struct TokenBucket: Sendable {
  /// How many tokens come back in a second.
  public let perSecond: Double
  /// How many tokens it holds when full.
  public let burst: Double
  private var tokens: Double
  private var updated: ContinuousClock.Instant

  /// Creates a full bucket; rates that are not positive numbers never refill it.
  public init(perSecond: Double, burst: Double, now: ContinuousClock.Instant) {
    self.perSecond = perSecond > 0 && perSecond.isFinite ? perSecond : 0
    self.burst = burst > 0 && burst.isFinite ? burst : 0
    self.tokens = self.burst
    self.updated = now
  }

  /// Takes tokens out if there are enough.
  ///
  /// - Parameters:
  ///   - count: How many.
  ///   - now: The instant.
  /// - Returns: `nil` when they were taken; else how long until there are enough, at most an hour.
  public mutating func take(_ count: Double, now: ContinuousClock.Instant) -> Duration? {
    refill(now)
    if tokens + 1e-9 >= count {
      tokens -= count
      return nil
    }
    guard perSecond > 0, count <= burst else { return .seconds(3600) }
    return .seconds(min(3600, (count - tokens) / perSecond))
  }

  /// Gives back tokens that were taken for nothing.
  public mutating func putBack(_ count: Double) { tokens = min(burst, tokens + count) }

  /// Whether nothing has been taken lately, so that the bucket can be forgotten.
  public mutating func isFull(now: ContinuousClock.Instant) -> Bool {
    refill(now)
    return tokens >= burst
  }

  /// How many tokens can be taken.
  mutating func available(now: ContinuousClock.Instant) -> Double {
    refill(now)
    return tokens
  }

  private mutating func refill(_ now: ContinuousClock.Instant) {
    guard now > updated else { return }
    tokens = min(burst, tokens + updated.duration(to: now).inSeconds * perSecond)
    updated = now
  }
}
