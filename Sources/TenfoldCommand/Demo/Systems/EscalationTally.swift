// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import Tenfold

/// A cascade whose large model isn't there: every answer is the small one's, and those that would have been escalated are
/// counted.
final class EscalationTally: LanguageModel {
  private let small: any LanguageModel
  private let confidence: any CompletionConfidence
  private let largeAccuracy: @Sendable (InferenceRequest) -> Double
  private let machine: CascadeStateMachine
  private let tally = Mutex(0)

  /// Creates a tally.
  ///
  /// - Parameters:
  ///   - small: Answers.
  ///   - confidence: Judges the answers.
  ///   - threshold: The least confidence at which a cascade would deliver them.
  ///   - largeAccuracy: How often the missing model would be right.
  init(
    _ small: any LanguageModel,
    confidence: any CompletionConfidence,
    threshold: Double,
    largeAccuracy: @escaping @Sendable (InferenceRequest) -> Double = { _ in 1 }
  ) {
    self.small = small
    self.confidence = confidence
    self.largeAccuracy = largeAccuracy
    machine = CascadeStateMachine(threshold: threshold)
  }

  var profile: ModelProfile { small.profile }

  /// How many requests would have gone to a large model.
  var count: Int { tally.withLock { $0 } }

  func generate(_ request: InferenceRequest) async throws -> GenerationStream {
    let answer = try await small.respond(to: request)
    let step = machine.smallAnswered(
      confidence: try await confidence.confidence(in: answer, for: request),
      largeAccuracy: largeAccuracy(request),
      spent: answer.summary.provenance.cost,
      estimate: .zero,
      ceiling: nil,
      timeLeft: nil
    )
    if case .escalate(let reason) = step {
      tally.withLock { $0 += 1 }
      request.context.trace.record(
        StageRecord(stage: "escalation", work: .zero, note: "\(reason): would have gone to a large model")
      )
    }
    return GenerationStream(answer)
  }
}
