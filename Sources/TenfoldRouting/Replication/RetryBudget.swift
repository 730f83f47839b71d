// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Lets only so many retries happen for each first try, so that retries can't multiply an overload; pure.
///
/// ```swift
/// var budget = RetryBudget(share: 0.1)
/// budget.recordRequest()
/// if budget.mayRetry() { … }
/// ```
public struct RetryBudget: Sendable {
  /// The retries allowed for each request, in 0...1.
  public let share: Double
  private var tokens: Double
  private let limit: Double

  /// Creates a budget.
  ///
  /// - Parameters:
  ///   - share: The retries allowed for each request; brought into 0...1.
  ///   - burst: The most retries that can be saved up; also what the budget starts with.
  public init(share: Double = 0.1, burst: Int = 10) {
    self.share = share.isNaN ? 0 : min(max(share, 0), 1)
    self.limit = Double(max(0, burst))
    self.tokens = share > 0 ? limit : 0
  }

  /// A request is made for the first time.
  public mutating func recordRequest() { tokens = min(limit, tokens + share) }

  /// Asks for a retry, and takes it out of the budget if there is one.
  ///
  /// - Returns: Whether the retry may happen.
  public mutating func mayRetry() -> Bool {
    guard tokens >= 1 - 1e-9 else { return false }
    tokens -= 1
    return true
  }
}
