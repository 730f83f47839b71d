// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

extension WordPieceTokenizer {
  /// How text is normalised before it is cut into pieces; it belongs to the vocabulary.
  public struct Options: Hashable, Sendable {
    /// Whether upper case and accents stay (`do_lower_case` is false).
    public var isCased: Bool
    /// Whether every CJK ideograph is a word of its own (`tokenize_chinese_chars`).
    public var splitsIdeographs: Bool

    /// Creates options; the defaults are those of uncased BERT.
    public init(isCased: Bool = false, splitsIdeographs: Bool = true) {
      self.isCased = isCased
      self.splitsIdeographs = splitsIdeographs
    }
  }
}
