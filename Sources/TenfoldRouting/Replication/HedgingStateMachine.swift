// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// Decides after what time, and whether, a request is asked again; pure.
///
/// ```swift
/// var machine = HedgingStateMachine(HedgingPolicy())
/// machine.recordRequest()
/// if let delay = machine.delay { … if machine.mayHedge() { … } }
/// machine.observe(latency)
/// ```
public struct HedgingStateMachine: Sendable {
  /// What it goes by.
  public let policy: HedgingPolicy
  /// How long to wait for the first word before another replica is asked; `nil` until 64 requests were answered.
  public private(set) var delay: Duration?
  /// How many requests were asked again.
  public private(set) var sent = 0
  private var latencies = RecentQuantile(window: 512)
  private var budget: RetryBudget
  private var seen = 0

  /// Creates a machine that has seen nothing.
  public init(_ policy: HedgingPolicy) {
    self.policy = policy
    budget = RetryBudget(share: policy.share, burst: 10)
  }

  /// A request arrives.
  public mutating func recordRequest() { budget.recordRequest() }

  /// Takes note of a first try.
  ///
  /// - Parameter latency: How long its first word took, or how long it had been waited for when another replica's came.
  public mutating func observe(_ latency: Duration) {
    let threshold = latencies.observe(latency.inSeconds, upperShare: policy.share)
    seen += 1
    guard seen >= 64 else { return }
    delay = max(policy.minimumDelay, .seconds(max(0, threshold)))
  }

  /// Asks for leave to ask again, and takes it out of the budget if there is any left.
  ///
  /// - Returns: Whether another replica may be asked.
  public mutating func mayHedge() -> Bool {
    guard budget.mayRetry() else { return false }
    sent += 1
    return true
  }
}
