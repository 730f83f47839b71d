// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A whole answer.
public struct Completion: Sendable, Codable {
  /// The text.
  public var text: String
  /// How it ended and what it took.
  public var summary: GenerationSummary

  /// Creates an answer.
  public init(text: String, summary: GenerationSummary) {
    self.text = text
    self.summary = summary
  }
}
