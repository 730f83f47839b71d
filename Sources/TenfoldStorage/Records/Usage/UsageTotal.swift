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
    calls = calls.addingClamped(other.calls)
    promptTokens = promptTokens.addingClamped(other.promptTokens)
    cachedPromptTokens = cachedPromptTokens.addingClamped(other.cachedPromptTokens)
    completionTokens = completionTokens.addingClamped(other.completionTokens)
    cost += other.cost
  }

  init(_ call: ModelCall) {
    calls = 1
    promptTokens = call.usage.promptTokens
    cachedPromptTokens = call.usage.cachedPromptTokens
    completionTokens = call.usage.completionTokens
    cost = call.cost
  }
}
