// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Tenfold

/// How requests and evidence become prompts; the same for both systems.
enum DemoPrompt {
  static let claimChoices = ["yes", "no"]

  static func claimInstruction(_ claim: String) -> String {
    "Claim: \(claim)\nDoes the passage support the claim? Answer yes or no."
  }

  static func lookupInstruction(opening: String, choices: [String]) -> String {
    "Find the passage that begins: \(opening)\nWhich word is its subject: \(choices[0]) or \(choices[1])?"
  }

  /// The best passage alone, cut to about 300 tokens: two passages cost twice as much and help little.
  static let template = PromptTemplate { request, passages in
    guard case .chat(let turns) = request.prompt, let best = passages.first else { return request.prompt }
    let evidence = PromptTemplate.numbered([best], budgetInBytes: 1400)
    return .chat([.system("You answer from the passage.\n\n" + evidence)] + turns)
  }

  /// How many documents are retrieved; ten, so that nDCG@10 can be told.
  static let retrievalLimit = 10
}

/// `base` to the power of `exponent`.
func power(_ base: Double, _ exponent: Double) -> Double { pow(base, exponent) }

/// The decimal logarithm.
func logarithm10(_ value: Double) -> Double { log10(value) }
