// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Tenfold

/// The beginning of a sentence of a document, the word it goes on with, and another word of the document.
struct Cloze: Sendable, Hashable {
  /// At least six words, as they stand in the text.
  let opening: String
  /// The word that follows the opening.
  let right: String
  /// A word of the document that the sentence does not have.
  let wrong: String

  /// How much of the text is used: what certainly fits into the prompt.
  private static let length = 1200

  /// Draws one; `nil` when the document has no sentence for it.
  init?(_ document: IndexedDocument, using generator: inout SeededGenerator) {
    let text = String(document.text.prefix(Self.length))
    // The last sentence may be cut.
    let sentences = text.components(separatedBy: ". ").dropLast()
      .map { $0.split(separator: " ").map(String.init) }
      .filter { $0.count >= 10 }
    guard let sentence = sentences.randomElement(using: &generator) else { return nil }
    let places = sentence.indices.filter { $0 >= 6 && Self.isPlain(sentence[$0]) }
    let others = text.split(separator: " ").map(String.init)
      .filter { Self.isPlain($0) && !sentence.contains($0) }
    guard let place = places.randomElement(using: &generator),
      let wrong = others.randomElement(using: &generator)
    else { return nil }
    // The words before the gap may stand elsewhere too, and there the other word may follow.
    let last = sentence[(place - 3)..<place].joined(separator: " ")
    guard !text.contains("\(last) \(wrong)") else { return nil }
    opening = sentence[..<place].joined(separator: " ")
    right = sentence[place]
    self.wrong = wrong
  }

  /// Whether a word is five to fourteen lower-case letters and nothing else.
  private static func isPlain(_ word: String) -> Bool {
    (5...14).contains(word.utf8.count) && word.utf8.allSatisfy { (0x61...0x7A).contains($0) }
  }
}
