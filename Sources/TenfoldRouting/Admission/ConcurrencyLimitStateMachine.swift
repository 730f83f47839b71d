// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// Finds how many requests can be worked on at once before they get in each other's way; pure.
///
/// While the limit is in use and answers begin in time, it grows by one for each round of answers. When requests fail for
/// want of room or of time, or wait at the model for most of the time to their first word (`TokenUsage.queueTime`), it
/// shrinks by a tenth. A deadline that leaves less time than ``lateAfter`` is no want of time.
///
/// A model that doesn't say how long requests waited is judged by trial, because long answers aren't late ones: when
/// answers begin later than the least seen, and now and then otherwise, half the limit is tried for a while.
/// If they begin so much earlier that nothing is lost, the half is kept; if not, the limit wasn't what made them slow,
/// and it is restored. Latencies are compared by the mean of their logarithms and its standard error, so that a mixture
/// of short and long answers neither looks like lateness nor hides it.
///
/// ```swift
/// var limit = ConcurrencyLimitStateMachine(options: .init(initial: 8))
/// limit.observe(.init(latency: .milliseconds(40), admitted: admitted), inFlight: 8, now: time.now)
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

  /// How an answer that a model made went.
  public struct Sample: Hashable, Sendable {
    /// From admission to the first word.
    public var latency: Duration
    /// How much of that the request waited for its turn at the model; `nil` where the model doesn't say.
    public var queueTime: Duration?
    /// When the request was admitted.
    public var admitted: ContinuousClock.Instant

    /// Creates a sample.
    public init(latency: Duration, queueTime: Duration? = nil, admitted: ContinuousClock.Instant) {
      self.latency = latency
      self.queueTime = queueTime
      self.admitted = admitted
    }
  }

  /// The answers since the limit was last judged.
  private struct Window: Sendable {
    var count = 0
    var logSum = 0.0
    var logSquareSum = 0.0
    var latency = 0.0
    var queueTime = 0.0
    var queueCount = 0
    var isLimitUsed = false

    var meanLog: Double { logSum / Double(max(1, count)) }

    /// The standard error of the mean.
    var error: Double {
      let variance = max(0, logSquareSum / Double(max(1, count)) - meanLog * meanLog)
      return (variance / Double(max(1, count))).squareRoot()
    }
  }

  /// Half the limit on trial, and how it was before.
  private struct Trial: Sendable {
    var limit: Double
    var meanLog: Double
    var isLate: Bool
    /// Short answers end first, so those of the first window say little.
    var isSettled = false
  }

  /// A window has as many answers as may be under way, within these bounds: enough for a steady mean, and few enough to
  /// be judged while the traffic is the same.
  private static let windowSizes = 40.0...100.0
  /// How many windows pass between trials: at half the limit for two of so many, a trial costs little.
  private static let trialInterval = 40
  /// By how much the logarithm must fall for a trial's limit to be kept.
  ///
  /// Half the limit of a model that is overloaded takes 0.69 off; with 0.4 at most a quarter of the throughput is lost,
  /// which growth makes good.
  private static let trialGain = 0.4
  /// Failures that come at once are judged no faster than this, in seconds.
  private static let leastRound = 0.1
  /// The latency without load, in seconds, that is assumed until a window of answers was seen.
  private static let assumedLatency = 0.05

  /// How the limit moves.
  public let options: Options
  private var value: Double
  private var window = Window()
  /// The least mean logarithm of a window's latencies, on the safe side of its error.
  private var baseline: Double?
  private var trial: Trial?
  private var windowsSinceTrial = 0
  /// Whether requests waited at the model in the last window.
  private var isQueueing = false
  private var lastDecrease: ContinuousClock.Instant?

  /// Creates a limit.
  public init(options: Options = Options()) {
    self.options = options
    self.value = Double(options.initial)
  }

  /// How many requests may be worked on now.
  public var limit: Int { Int(value) }

  /// How long after admission a first word is late: the latency without load times ``Options/tolerance``.
  ///
  /// Who gives a request less time than this learns nothing about the load when it passes.
  public var lateAfter: Duration {
    .seconds(min(3600, options.tolerance * (baseline?.exponential ?? Self.assumedLatency)))
  }

  /// Takes in how an answer went that a model made; answers of caches tell nothing about the model and are left out.
  ///
  /// - Parameters:
  ///   - sample: How it went.
  ///   - inFlight: How many were worked on meanwhile, this one included.
  ///   - now: The instant.
  public mutating func observe(_ sample: Sample, inFlight: Int, now: ContinuousClock.Instant) {
    // What was admitted under an earlier, larger limit says nothing about the limit now.
    if let lastDecrease, sample.admitted < lastDecrease { return }
    let latency = max(1e-6, sample.latency.inSeconds)
    let log = latency.naturalLogarithm
    window.count += 1
    window.logSum += log
    window.logSquareSum += log * log
    window.latency += latency
    if let queueTime = sample.queueTime {
      window.queueTime += min(latency, max(0, queueTime.inSeconds))
      window.queueCount += 1
    }
    if Double(inFlight) * 2 >= value {
      window.isLimitUsed = true
      if trial == nil, !isQueueing { value = min(Double(options.maximum), value + 1 / value) }
    }
    let size = min(max(value, Self.windowSizes.lowerBound), Self.windowSizes.upperBound)
    if Double(window.count) >= size { judge(now) }
  }

  /// Takes in that a request failed for want of room or time.
  ///
  /// - Parameter now: The instant.
  public mutating func observeOverload(now: ContinuousClock.Instant) {
    let round = Duration.seconds(min(60, max(Self.leastRound, baseline?.exponential ?? 0)))
    if let lastDecrease, lastDecrease.duration(to: now) < round { return }
    trial = nil
    decrease(to: value * 0.9, now)
  }

  // MARK: - Private

  private mutating func judge(_ now: ContinuousClock.Instant) {
    let window = window
    self.window = Window()
    let bound = (baseline ?? .infinity) + options.tolerance.naturalLogarithm
    let isLate = window.meanLog - 2 * window.error > bound
    baseline = min(baseline ?? .infinity, window.meanLog + window.error)
    if let trial {
      if trial.isSettled { finish(trial, window) } else { self.trial?.isSettled = true }
      return
    }
    windowsSinceTrial += 1
    isQueueing =
      window.queueCount == window.count
      && window.latency > options.tolerance * (window.latency - window.queueTime)
    if isQueueing {
      decrease(to: value * 0.9, now)
    } else if window.isLimitUsed, isLate || windowsSinceTrial >= Self.trialInterval {
      trial = Trial(limit: value, meanLog: window.meanLog, isLate: isLate)
      decrease(to: value / 2, now)
    }
  }

  private mutating func finish(_ trial: Trial, _ window: Window) {
    self.trial = nil
    if trial.meanLog - window.meanLog > Self.trialGain + 2 * window.error {
      // Perhaps a quarter is enough too.
      windowsSinceTrial = Self.trialInterval
      return
    }
    windowsSinceTrial = 0
    value = max(value, trial.limit)
    // Late, but not because of the limit: the machine or the questions have changed.
    if trial.isLate { baseline = max(trial.meanLog, window.meanLog) }
  }

  private mutating func decrease(to limit: Double, _ now: ContinuousClock.Instant) {
    lastDecrease = now
    window = Window()
    value = max(Double(options.minimum), limit)
  }
}
