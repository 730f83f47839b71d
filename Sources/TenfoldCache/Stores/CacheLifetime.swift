// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// How long answers live.
///
/// Entries that were written together must not expire together, or they are all asked for again in the same second; so
/// each life is stretched or shortened at random.
///
/// ```swift
/// let lifetime = CacheLifetime(timeToLive: .seconds(3600), jitter: 0.1)
/// ```
public struct CacheLifetime: Hashable, Sendable {
  /// How long an answer is fresh where the writer says nothing else.
  public var timeToLive: Duration
  /// How much a life is stretched or shortened at most, as a share of it; in 0...0.9.
  public var jitter: Double
  /// How long an answer stays after its time, for those who allow stale ones; counted as 100 years at most.
  public var staleGrace: Duration

  /// Creates a lifetime; a jitter out of range is brought into it, and NaN counts as none.
  public init(
    timeToLive: Duration = .seconds(86_400),
    jitter: Double = 0.1,
    staleGrace: Duration = .seconds(3600)
  ) {
    self.timeToLive = timeToLive
    self.jitter = jitter.isNaN ? 0 : min(max(jitter, 0), 0.9)
    self.staleGrace = max(.zero, staleGrace)
  }

  /// The longest life, before it is stretched, and the longest grace: 100 years.
  private static let longest = Duration.seconds(3_155_760_000)

  /// The longest life that is drawn, in milliseconds: one stretched as far as that goes.
  static let longestMilliseconds = Int64(3_155_760_000_000 * 1.9)

  /// The grace within what can be counted with.
  var boundedGrace: Duration { min(max(staleGrace, .zero), Self.longest) }

  /// Draws how long one answer is fresh.
  ///
  /// - Parameters:
  ///   - asked: What the writer asked for, or `nil` for the default.
  ///   - generator: Where the randomness comes from.
  /// - Returns: The life, at most 100 years before the jitter.
  public func draw(_ asked: Duration?, using generator: inout some RandomNumberGenerator) -> Duration {
    let life = min(max(asked ?? timeToLive, .zero), Self.longest)
    guard jitter > 0 else { return life }
    let spread = min(jitter, 0.9)
    return life * Double.random(in: 1 - spread...1 + spread, using: &generator)
  }
}
