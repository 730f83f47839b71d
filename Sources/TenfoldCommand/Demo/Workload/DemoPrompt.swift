// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Tenfold

/// How requests and evidence become prompts; the same for both systems.
enum DemoPrompt {
  static let claimChoices = [" supports", " contradicts"]

  /// Not a question but a text to go on with: small models, tuned or not, judge better so than by yes and no.
  static func claimInstruction(_ claim: String) -> String { "Claim: \(claim)\nThe evidence" }

  static func lookupInstruction(_ opening: String) -> String {
    "Complete this sentence of the passage: \(opening)"
  }

  /// The answers of a lookup: the last words of its opening, each with one of the candidates.
  ///
  /// A small model finds a quote by going on with it, and needs a few words to know where it is.
  static func lookupChoices(opening: String, candidates: [String]) -> [String] {
    let last = opening.split(separator: " ").suffix(3).joined(separator: " ")
    return candidates.map { "... \(last) \($0)" }
  }

  /// The best passage alone, cut to about 300 tokens: two passages cost twice as much and help little.
  static func evidence(_ passages: [RetrievedPassage]) -> String {
    PromptTemplate.numbered(Array(passages.prefix(1)), budgetInBytes: 1400)
  }

  /// Requests as they come, with the evidence; each model then puts claims in its own words (``ClaimWording``).
  static let template = PromptTemplate { request, passages in
    guard !passages.isEmpty else { return request.prompt }
    let evidence = evidence(passages)
    return switch request.prompt {
    case .chat(let turns): .chat([.system("You answer from the passage.\n\n" + evidence)] + turns)
    case .text(let text): .text("Evidence: \(evidence)\n\(text)")
    }
  }

  /// How many documents are retrieved; ten, so that nDCG@10 can be told.
  static let retrievalLimit = 10
}

/// `base` to the power of `exponent`.
func power(_ base: Double, _ exponent: Double) -> Double { pow(base, exponent) }

/// The decimal logarithm.
func logarithm10(_ value: Double) -> Double { log10(value) }
