// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Tenfold

/// Judges claims and lookups by curves of their own: the same margin means different things for them.
struct DemoConfidence: CompletionConfidence {
  let claims: MarginConfidence
  let lookups: MarginConfidence

  func confidence(in completion: Completion, for request: InferenceRequest) async throws -> Double {
    let judge = request.options.choices == DemoPrompt.claimChoices ? claims : lookups
    return try await judge.confidence(in: completion, for: request)
  }
}
