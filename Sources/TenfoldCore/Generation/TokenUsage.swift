// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// What an answer took: tokens and times.
public struct TokenUsage: Hashable, Sendable, Codable {
  /// Tokens of the prompt, cached ones included.
  public var promptTokens: Int
  /// Tokens of the prompt whose keys and values were still there.
  public var cachedPromptTokens: Int
  /// Tokens generated.
  public var completionTokens: Int
  /// Time in the engine's queue.
  public var queueTime: Duration
  /// Time from arrival to the first token.
  public var timeToFirstToken: Duration
  /// Time from the start of the prompt to the last token.
  public var computeTime: Duration
  /// CPU time of all threads charged to this request (its share of each batch).
  public var cpuTime: Duration

  /// Creates a record; everything defaults to zero.
  public init(
    promptTokens: Int = 0,
    cachedPromptTokens: Int = 0,
    completionTokens: Int = 0,
    queueTime: Duration = .zero,
    timeToFirstToken: Duration = .zero,
    computeTime: Duration = .zero,
    cpuTime: Duration = .zero
  ) {
    self.promptTokens = promptTokens
    self.cachedPromptTokens = cachedPromptTokens
    self.completionTokens = completionTokens
    self.queueTime = queueTime
    self.timeToFirstToken = timeToFirstToken
    self.computeTime = computeTime
    self.cpuTime = cpuTime
  }

  /// Adds tokens and times of two calls; the time to the first token is the left one's.
  public static func + (lhs: Self, rhs: Self) -> Self {
    Self(
      promptTokens: lhs.promptTokens + rhs.promptTokens,
      cachedPromptTokens: lhs.cachedPromptTokens + rhs.cachedPromptTokens,
      completionTokens: lhs.completionTokens + rhs.completionTokens,
      queueTime: lhs.queueTime + rhs.queueTime,
      timeToFirstToken: lhs.timeToFirstToken,
      computeTime: lhs.computeTime + rhs.computeTime,
      cpuTime: lhs.cpuTime + rhs.cpuTime
    )
  }
}
