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
  /// Tokens that the engine guessed and checked several at once.
  public var draftedTokens: Int
  /// The share of them that came true; they are among the generated ones.
  public var acceptedTokens: Int
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
    draftedTokens: Int = 0,
    acceptedTokens: Int = 0,
    queueTime: Duration = .zero,
    timeToFirstToken: Duration = .zero,
    computeTime: Duration = .zero,
    cpuTime: Duration = .zero
  ) {
    self.promptTokens = promptTokens
    self.cachedPromptTokens = cachedPromptTokens
    self.completionTokens = completionTokens
    self.draftedTokens = draftedTokens
    self.acceptedTokens = acceptedTokens
    self.queueTime = queueTime
    self.timeToFirstToken = timeToFirstToken
    self.computeTime = computeTime
    self.cpuTime = cpuTime
  }

  /// The mean time between generated tokens, those of all answers to a request counted; `nil` where there are fewer than two.
  public var timePerToken: Duration? {
    guard completionTokens > 1 else { return nil }
    return max(.zero, queueTime + computeTime - timeToFirstToken) / (completionTokens - 1)
  }

  /// Adds tokens and times of two calls; the time to the first token is the left one's, and counts saturate.
  public static func + (lhs: Self, rhs: Self) -> Self {
    Self(
      promptTokens: lhs.promptTokens.addingClamped(rhs.promptTokens),
      cachedPromptTokens: lhs.cachedPromptTokens.addingClamped(rhs.cachedPromptTokens),
      completionTokens: lhs.completionTokens.addingClamped(rhs.completionTokens),
      draftedTokens: lhs.draftedTokens.addingClamped(rhs.draftedTokens),
      acceptedTokens: lhs.acceptedTokens.addingClamped(rhs.acceptedTokens),
      queueTime: lhs.queueTime + rhs.queueTime,
      timeToFirstToken: lhs.timeToFirstToken,
      computeTime: lhs.computeTime + rhs.computeTime,
      cpuTime: lhs.cpuTime + rhs.cpuTime
    )
  }

  private enum CodingKeys: CodingKey {
    case promptTokens
    case cachedPromptTokens
    case completionTokens
    case draftedTokens
    case acceptedTokens
    case queueTime
    case timeToFirstToken
    case computeTime
    case cpuTime
  }

  /// Decodes a record; the counts of guesses may be absent.
  ///
  /// - Throws: `DecodingError` for a malformed record.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      promptTokens: try values.decode(Int.self, forKey: .promptTokens),
      cachedPromptTokens: try values.decode(Int.self, forKey: .cachedPromptTokens),
      completionTokens: try values.decode(Int.self, forKey: .completionTokens),
      draftedTokens: try values.decodeIfPresent(Int.self, forKey: .draftedTokens) ?? 0,
      acceptedTokens: try values.decodeIfPresent(Int.self, forKey: .acceptedTokens) ?? 0,
      queueTime: try values.decode(Duration.self, forKey: .queueTime),
      timeToFirstToken: try values.decode(Duration.self, forKey: .timeToFirstToken),
      computeTime: try values.decode(Duration.self, forKey: .computeTime),
      cpuTime: try values.decode(Duration.self, forKey: .cpuTime)
    )
  }
}
