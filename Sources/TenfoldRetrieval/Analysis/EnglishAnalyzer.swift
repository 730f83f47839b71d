// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The standard analysis for English: words, lower case, no stop words, stems.
///
/// ```swift
/// EnglishAnalyzer().terms(in: "The patients' fevers were lowered")  // ["patient", "fever", "were", "lower"]
/// ```
public struct EnglishAnalyzer: TextAnalyzer {
  /// Changes whenever the same text could give other terms.
  public let identifier: String
  /// Lower-case words that are left out.
  public let stopWords: Set<String>
  /// Whether words are reduced to their stems.
  public let stems: Bool
  private let longestStopWord: Int

  /// Words that say next to nothing in English: the classic list of 33.
  public static let standardStopWords: Set<String> = [
    "a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into", "is", "it", "no",
    "not",
    "of", "on", "or", "such", "that", "the", "their", "then", "there", "these", "they", "this", "to", "was",
    "will", "with",
  ]

  /// Creates an analyzer.
  ///
  /// - Parameters:
  ///   - stopWords: Lower-case words to leave out.
  ///   - stems: Whether to reduce words to their stems.
  public init(stopWords: Set<String> = Self.standardStopWords, stems: Bool = true) {
    self.stopWords = stopWords
    self.stems = stems
    longestStopWord = stopWords.map(\.utf8.count).max() ?? 0
    // FNV-1a over the sorted list tells one list from another.
    let digest = stopWords.sorted().joined(separator: " ").utf8.reduce(UInt64(0xcbf2_9ce4_8422_2325)) {
      ($0 ^ UInt64($1)) &* 0x100_0000_01b3
    }
    identifier = "english-1/\(stems ? "porter2" : "plain")/\(String(digest, radix: 16))"
  }

  /// The stems of a text's words, in order, repeats included.
  ///
  /// - Parameter text: Any text.
  /// - Returns: The terms.
  /// - Complexity: O(length of the text).
  public func terms(in text: String) -> [String] {
    var terms: [String] = []
    terms.reserveCapacity(text.utf8.count / 8)
    var breaker = WordBreaker(text)
    while breaker.advance() {
      if breaker.word.count <= longestStopWord,
        stopWords.contains(String(decoding: breaker.word, as: UTF8.self))
      {
        continue
      }
      var word = breaker.word
      if stems, breaker.isASCII { EnglishStemmer.stem(&word) }
      if !word.isEmpty { terms.append(String(decoding: word, as: UTF8.self)) }
    }
    return terms
  }
}
