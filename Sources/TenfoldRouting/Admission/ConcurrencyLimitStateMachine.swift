// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// Finds how many requests can be worked on at once before they get in each other's way; pure.
///
/// Additive increase, multiplicative decrease: while answers begin about as quickly as they do without load and the limit
/// is in use, it grows by one for each round of answers; when they begin late, or fail for want of room, it shrinks by a
/// tenth, at most once in a round.
///
/// ```swift
/// var limit = ConcurrencyLimitStateMachine(options: .init(initial: 8))
/// limit.observe(latency: .milliseconds(40), inFlight: 8, isOverload: false, now: time.now)
/// ```
public struct ConcurrencyLimitStateMachine: Sendable {
  /// How the limit moves; every field has a default.
  public struct Options: Sendable {
    /// The limit at the start.
    public var initial: Int
    /// The least limit.
    public var minimum: Int
    /// The largest limit.
    public var maximum: Int
    /// How many times the latency without load counts as late.
    public var tolerance: Double

    /// Creates options; numbers out of range are brought into it.
    public init(initial: Int = 16, minimum: Int = 1, maximum: Int = 1024, tolerance: Double = 3) {
      self.minimum = max(1, minimum)
      self.maximum = max(self.minimum, maximum)
      self.initial = min(max(initial, self.minimum), self.maximum)
      self.tolerance = tolerance > 1 ? tolerance : 1.1
    }
  }

  /// How the limit moves.
  public let options: Options
  private var value: Double
  private var baseline: Double?
  private var updated: ContinuousClock.Instant?
  private var lastDecrease: ContinuousClock.Instant?

  /// Creates a limit.
  public init(options: Options = Options()) {
    self.options = options
    self.value = Double(options.initial)
  }

  /// How many requests may be worked on now.
  public var limit: Int { Int(value) }

  /// Takes in how an answer went.
  ///
  /// - Parameters:
  ///   - latency: From admission to the first word.
  ///   - inFlight: How many were worked on meanwhile, this one included.
  ///   - isOverload: Whether it failed for want of room or time.
  ///   - now: The instant.
  public mutating func observe(
    latency: Duration,
    inFlight: Int,
    isOverload: Bool,
    now: ContinuousClock.Instant
  ) {
    let seconds = max(1e-6, latency.inSeconds)
    if !isOverload {
      // The least latency seen, let go of by a tenth a minute: a machine that got slower for good is believed in time,
      // but the slowness that too high a limit makes is not taken for normal.
      let age = updated.map { max(0, $0.duration(to: now).inSeconds) } ?? 0
      baseline = baseline.map { min(seconds, $0 * (1 + min(age, 60) / 600)) } ?? seconds
      updated = now
    }
    let isLate = seconds > (baseline ?? seconds) * options.tolerance
    if isOverload || isLate {
      let round = Duration.seconds(min(60, baseline ?? seconds))
      if let lastDecrease, lastDecrease.duration(to: now) < round { return }
      lastDecrease = now
      value = max(Double(options.minimum), value * 0.9)
    } else if Double(inFlight) * 2 >= value {
      value = min(Double(options.maximum), value + 1 / value)
    }
  }
}
