// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// What calls of one model came to; sums saturate.
public struct UsageTotal: Hashable, Sendable {
  /// How many calls.
  public var calls = 0
  /// Tokens of the prompts, cached ones included.
  public var promptTokens = 0
  /// Tokens of the prompts that were still in the engine's cache.
  public var cachedPromptTokens = 0
  /// Tokens generated.
  public var completionTokens = 0
  /// What they cost.
  public var cost = Money.zero

  /// Creates an empty total.
  public init() {}

  mutating func add(_ other: Self) {
    calls = Self.sum(calls, other.calls)
    promptTokens = Self.sum(promptTokens, other.promptTokens)
    cachedPromptTokens = Self.sum(cachedPromptTokens, other.cachedPromptTokens)
    completionTokens = Self.sum(completionTokens, other.completionTokens)
    cost += other.cost
  }

  init(_ call: ModelCall) {
    calls = 1
    promptTokens = call.usage.promptTokens
    cachedPromptTokens = call.usage.cachedPromptTokens
    completionTokens = call.usage.completionTokens
    cost = call.cost
  }

  private static func sum(_ left: Int, _ right: Int) -> Int {
    let (sum, overflow) = left.addingReportingOverflow(right)
    return overflow ? (left > 0 ? .max : .min) : sum
  }
}
