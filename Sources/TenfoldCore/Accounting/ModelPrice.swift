// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// What a model's work costs: by token for hosted models, by CPU-second for local ones, or both.
public struct ModelPrice: Hashable, Sendable, Codable {
  /// US dollars for a million tokens of prompt.
  public var dollarsPerMillionPromptTokens: Double
  /// US dollars for a million generated tokens.
  public var dollarsPerMillionCompletionTokens: Double
  /// US dollars for a second of one CPU core.
  public var dollarsPerCPUSecond: Double

  /// Creates a price; what is not given is free.
  public init(
    dollarsPerMillionPromptTokens: Double = 0,
    dollarsPerMillionCompletionTokens: Double = 0,
    dollarsPerCPUSecond: Double = 0
  ) {
    self.dollarsPerMillionPromptTokens = dollarsPerMillionPromptTokens
    self.dollarsPerMillionCompletionTokens = dollarsPerMillionCompletionTokens
    self.dollarsPerCPUSecond = dollarsPerCPUSecond
  }

  /// The price of a call.
  ///
  /// - Parameter usage: What the call took; cached prompt tokens are charged as prompt tokens.
  /// - Returns: The sum over tokens and CPU time.
  public func cost(of usage: TokenUsage) -> Money {
    Money(
      dollars: Double(usage.promptTokens) * dollarsPerMillionPromptTokens * 1e-6
        + Double(usage.completionTokens) * dollarsPerMillionCompletionTokens * 1e-6
        + usage.cpuTime.inSeconds * dollarsPerCPUSecond
    )
  }
}
