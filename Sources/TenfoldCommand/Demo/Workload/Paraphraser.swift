// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Tenfold

/// Other wordings of a text that ask for the same answer.
///
/// The rules change form and never content: frames around the text, case of the first letter, the final full stop,
/// and a few words that mean the same in scientific English.
struct Paraphraser {
  private static let frames: [(String, String)] = [
    ("Is it true that ", "?"), ("I have read that ", "."), ("Check this: ", "."), ("Please verify: ", "."),
    ("According to research, ", "."), ("Somebody told me that ", "."),
  ]

  private static let quoteFrames: [(String, String)] = [
    ("It says somewhere: ", ""), ("Quote: ", " ..."), ("I am looking for: ", ""),
    ("", " ... (how does it go on?)"),
  ]

  private static let synonyms: [(String, String)] = [
    (" shows ", " demonstrates "), (" causes ", " leads to "), (" is associated with ", " is linked to "),
    (" increases ", " raises "), (" decreases ", " lowers "), (" reduces ", " cuts "),
    (" patients ", " people "),
    (" lead to ", " result in "), (" leads to ", " results in "), (" have ", " possess "),
    (" plays ", " has "),
    (" inhibits ", " suppresses "), (" induces ", " triggers "), (" enhances ", " improves "),
  ]

  /// A wording of `text` that differs from it.
  func paraphrase(_ text: String, using generator: inout SeededGenerator) -> String {
    var body = text
    if body.hasSuffix(".") { body.removeLast() }
    for (from, to) in Self.synonyms where Bool.random(using: &generator) {
      if let range = body.range(of: from) { body.replaceSubrange(range, with: to) }
    }
    // An acronym or a symbol at the start keeps its case.
    if let first = body.first, first.isUppercase, body.dropFirst().first?.isLowercase == true {
      body = first.lowercased() + body.dropFirst()
    }
    let (before, after) = Self.frames[Int.random(in: 0..<Self.frames.count, using: &generator)]
    return before + body + after
  }

  /// The same quote in another frame.
  func frame(_ quote: String, using generator: inout SeededGenerator) -> String {
    let (before, after) = Self.quoteFrames[Int.random(in: 0..<Self.quoteFrames.count, using: &generator)]
    return before + quote + after
  }
}
