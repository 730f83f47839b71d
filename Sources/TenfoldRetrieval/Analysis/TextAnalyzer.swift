// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Something that turns text into the terms by which it is found.
///
/// Documents and queries must go through the same analyzer; an index stores the analyzer's identifier and is built
/// again when it changes.
///
/// ```swift
/// struct CodeAnalyzer: TextAnalyzer {
///   let identifier = "code-1"
///   func terms(in text: String) -> [String] { text.split { !$0.isLetter }.map { $0.lowercased() } }
/// }
/// ```
public protocol TextAnalyzer: Sendable {
  /// Changes whenever the same text could give other terms.
  var identifier: String { get }

  /// The terms of a text, in order, repeats included.
  ///
  /// - Parameter text: Any text; the time taken should grow no faster than its length.
  /// - Returns: The terms; none for an empty text.
  func terms(in text: String) -> [String]
}
