// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Which spellings of a question count as the very same question.
///
/// A normalization must never join questions with different answers, so the default only touches white space, and of
/// that only what can't matter: at the ends, and runs of it in a text of one line. Lines and indentation inside a longer
/// text (code, tables) are kept.
///
/// ```swift
/// KeyNormalization.whitespace.apply(to: "  What   is BM25?\n")   // "What is BM25?"
/// ```
public struct KeyNormalization: Hashable, Sendable, Codable {
  /// Whether white space at the ends, and runs of it on one line, are dropped.
  public var collapsesWhitespace: Bool
  /// Whether upper and lower case are the same; wrong for code, and for names such as "US" and "us".
  public var foldsCase: Bool

  /// Creates a normalization.
  public init(collapsesWhitespace: Bool = true, foldsCase: Bool = false) {
    self.collapsesWhitespace = collapsesWhitespace
    self.foldsCase = foldsCase
  }

  /// Only the same characters are the same question.
  public static let none = Self(collapsesWhitespace: false)
  /// White space that can't matter is dropped.
  public static let whitespace = Self()
  /// White space that can't matter is dropped, and case is ignored.
  public static let caseInsensitive = Self(foldsCase: true)

  /// Normalizes a question; applying it twice changes nothing more.
  ///
  /// - Parameter question: The question as received.
  /// - Returns: The text to compare.
  /// - Complexity: O(*n*) in the length of the question.
  public func apply(to question: String) -> String {
    var text = question
    if collapsesWhitespace {
      let scalars = question.unicodeScalars
      let isSpace = { (scalar: Unicode.Scalar) in scalar.properties.isWhitespace }
      let body = scalars.drop(while: isSpace)
      let end = body.lastIndex { !isSpace($0) }.map { body.index(after: $0) } ?? body.startIndex
      let trimmed = body[..<end]
      var result = String.UnicodeScalarView()
      if trimmed.contains(where: { $0.properties.isWhitespace && $0.value != 0x20 && $0.value != 0x09 }) {
        // Only line ends are made equal.
        var previousIsReturn = false
        for scalar in trimmed {
          if scalar == "\r" {
            result.append("\n")
          } else if !(scalar == "\n" && previousIsReturn) {
            result.append(scalar)
          }
          previousIsReturn = scalar == "\r"
        }
      } else {
        var previousIsSpace = false
        for scalar in trimmed {
          let isBlank = isSpace(scalar)
          if !isBlank {
            result.append(scalar)
          } else if !previousIsSpace {
            result.append(" ")
          }
          previousIsSpace = isBlank
        }
      }
      text = String(result)
    }
    return foldsCase ? text.lowercased() : text
  }
}
