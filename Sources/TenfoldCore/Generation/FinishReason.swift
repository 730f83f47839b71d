// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Why an answer ended.
public struct FinishReason: Hashable, Sendable, Codable, CustomStringConvertible {
  /// The reason's name; the values follow the widely used chat-completion API where it has them.
  public let rawValue: String

  /// Creates a reason by name.
  public init(_ rawValue: String) { self.rawValue = rawValue }

  /// The model ended its turn.
  public static let endOfText = Self("stop")
  /// A stop text appeared.
  public static let stopText = Self("stop_text")
  /// The token limit was reached.
  public static let maxTokens = Self("length")
  /// The answer is one of the given choices.
  public static let choice = Self("choice")
  /// The context is full.
  public static let contextFull = Self("context_full")
  /// The deadline passed; what was generated so far has been delivered.
  public static let deadline = Self("deadline")

  /// The raw value.
  public var description: String { rawValue }
}
