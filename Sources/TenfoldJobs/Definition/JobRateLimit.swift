// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// How often jobs that share a key may start.
///
/// Starts are spread by the generic cell rate algorithm: one every `period / count` on average, and up to `burst` at
/// once after a pause. The limit holds across all workers of a store.
///
/// ```swift
/// let limit = JobRateLimit(key: "hosted-model", count: 600, per: .seconds(60), burst: 20)
/// try await queue.enqueue(job, options: JobOptions(rateLimit: limit))
/// ```
public struct JobRateLimit: Hashable, Sendable {
  /// Jobs with the same key share the limit.
  public var key: String
  /// Starts in a period.
  public var count: Int
  /// The period.
  public var period: Duration
  /// Starts that may come at once after a pause.
  public var burst: Int

  /// Creates a limit.
  ///
  /// - Parameters:
  ///   - key: Jobs with the same key share the limit.
  ///   - count: Starts in a period, at least 1.
  ///   - period: The period, longer than zero.
  ///   - burst: Starts that may come at once after a pause, at least 1.
  public init(key: String, count: Int, per period: Duration, burst: Int = 1) {
    self.key = key
    self.count = count
    self.period = period
    self.burst = burst
  }

  /// Nanoseconds between two starts on average.
  var interval: Int64 { min(RateCell.longest, max(1, period.nanoseconds / Int64(max(1, count)))) }
}
