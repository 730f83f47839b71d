// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// When a second replica is asked beside one that is slow to begin: whoever speaks first answers, the other is stopped.
///
/// A few slow replies set the 99th percentile of everything above them. Asking once more after the time that nearly all
/// recent requests needed costs a few requests in a hundred and cuts that tail (Dean and Barroso, The Tail at Scale, 2013).
/// It helps where slowness is one replica's own, such as a pause, a cold cache or a noisy neighbour. Where all are slow at
/// once the budget keeps the extra work at ``share``.
///
/// ```swift
/// var options = ReplicatedModel.Options()
/// options.hedging = HedgingPolicy()
/// ```
public struct HedgingPolicy: Hashable, Sendable {
  /// The share of the recent requests that were slower than a request must be to be asked again; at the same time the most
  /// extra requests for each request, in 0...0.5.
  public let share: Double
  /// No request is asked again earlier than this.
  public let minimumDelay: Duration

  /// Creates a policy.
  ///
  /// - Parameters:
  ///   - share: As ``share``; brought into 0...0.5.
  ///   - minimumDelay: As ``minimumDelay``; negative counts as zero.
  public init(share: Double = 0.05, minimumDelay: Duration = .milliseconds(10)) {
    self.share = share.isNaN ? 0 : min(max(share, 0), 0.5)
    self.minimumDelay = max(.zero, minimumDelay)
  }
}
