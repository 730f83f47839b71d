// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// What every `CompletionConfidence` keeps to.
///
/// ```swift
/// let violations = await CompletionConfidenceContract.violations { MarginConfidence() }
/// ```
public enum CompletionConfidenceContract {
  /// Runs the suite.
  ///
  /// - Parameter confidence: Makes a fresh judge.
  /// - Returns: The clauses that are broken, with what was seen.
  public static func violations(
    of confidence: @Sendable () async throws -> any CompletionConfidence
  ) async -> [ContractViolation] {
    var report = ContractReport()
    let probabilities: [[Double]] = [
      [], [1], [0.5, 0.5], [0.9, 0.1], [0, 0], [.nan, 1], [.infinity, -.infinity], [0.2, 0.2, 0.6],
    ]
    let means: [Double?] = [nil, 0, -0.1, -100, .nan, .infinity, -.infinity]
    await report.scenario("every answer gets a probability") { report in
      let judge = try await confidence()
      for text in ["", " ", "yes", "\u{0}", String(repeating: "a", count: 100_000)] {
        for probabilities in probabilities {
          for mean in means {
            for reason in [FinishReason.endOfText, .maxTokens, .deadline, .choice] {
              let completion = Completion(
                text: text,
                summary: GenerationSummary(
                  reason: reason,
                  usage: TokenUsage(),
                  provenance: Provenance(answeredBy: .model(id: "m", tier: .small)),
                  meanLogProbability: mean,
                  choiceProbabilities: probabilities
                )
              )
              let value = try await judge.confidence(
                in: completion,
                for: LanguageModelContract.request("Is it?")
              )
              report.check(
                value >= 0 && value <= 1,
                "a confidence is in 0...1 and a number",
                observed: "\(value) for \(probabilities), mean \(String(describing: mean))"
              )
            }
          }
        }
      }
    }
    return report.violations
  }
}
