// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A part of a longer text, short enough to be embedded whole.
public struct TextPassage: Hashable, Sendable {
  /// The passage, without white space at its ends.
  public var text: String
  /// Where it stands in the whole text, in UTF-8 bytes.
  public var utf8Range: Range<Int>
  /// How many tokens it has, as its pieces were counted.
  public var tokenCount: Int

  /// Creates a passage.
  ///
  /// - Parameters:
  ///   - text: The passage.
  ///   - utf8Range: Where it stands in the whole text, in UTF-8 bytes.
  ///   - tokenCount: How many tokens it has.
  public init(text: String, utf8Range: Range<Int>, tokenCount: Int) {
    self.text = text
    self.utf8Range = utf8Range
    self.tokenCount = tokenCount
  }
}
