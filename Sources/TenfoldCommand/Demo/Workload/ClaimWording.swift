// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Tenfold

/// How a model is asked whether its evidence supports a claim.
///
/// Models differ in what they understand: `tenfold demo --calibrate` tries every wording on the train split and keeps,
/// for each model, the one that tells supported from refuted claims best.
enum ClaimWording: String, Sendable, Codable, CaseIterable, ExpressibleByArgument {
  /// A text to go on with: "The evidence supports".
  case continuation
  /// A text to go on with: "Based on the evidence, the claim is true".
  case conclusion
  /// A question to a chat model: "True".
  case question

  /// The two possible answers in the model's words, the one for a supported claim first.
  var choices: [String] {
    switch self {
    case .continuation: DemoPrompt.claimChoices
    case .conclusion: [" true", " false"]
    case .question: ["True", "False"]
    }
  }

  /// The prompt about a claim.
  func prompt(_ claim: String, _ passages: [RetrievedPassage]) -> InferencePrompt {
    let evidence = DemoPrompt.evidence(passages)
    switch self {
    case .continuation:
      return .text("Evidence: \(evidence)\n\(DemoPrompt.claimInstruction(claim))")
    case .conclusion:
      return .text("Evidence: \(evidence)\nClaim: \(claim)\nBased on the evidence, the claim is")
    case .question:
      return .chat([
        .system("You check claims against abstracts."),
        .user(
          """
          Abstract: \(evidence)

          Claim: \(claim)

          According to the abstract, is the claim true or false? Answer True or False.
          """
        ),
      ])
    }
  }
}
