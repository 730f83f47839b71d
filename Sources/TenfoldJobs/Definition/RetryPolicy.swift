// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// How long a job waits after a run that failed.
///
/// The wait is drawn evenly from zero to `base × 2^(attempt − 1)`, at most `maximum` ("full jitter"), so that jobs
/// which failed together don't come back together.
public struct RetryPolicy: Sendable {
  /// The longest wait after the first failure.
  public var base: Duration
  /// The longest wait at all.
  public var maximum: Duration

  /// Creates a policy.
  ///
  /// - Parameters:
  ///   - base: The longest wait after the first failure.
  ///   - maximum: The longest wait at all.
  public init(base: Duration = .seconds(1), maximum: Duration = .seconds(600)) {
    self.base = base
    self.maximum = maximum
  }

  /// Draws the wait after a failed run.
  ///
  /// - Parameters:
  ///   - attempt: The number of the run that failed, from 1.
  ///   - generator: The source of randomness.
  /// - Returns: A wait from zero to the policy's ceiling for that attempt.
  public func delay(afterAttempt attempt: Int, using generator: inout some RandomNumberGenerator) -> Duration
  {
    var ceiling = max(.zero, base)
    for _ in 1..<max(2, min(attempt, 64)) where attempt > 1 {
      if ceiling >= maximum { break }
      ceiling *= 2
    }
    let limit = min(ceiling, max(.zero, maximum)).nanoseconds
    return .nanoseconds(Int64.random(in: 0...max(0, limit), using: &generator))
  }
}
