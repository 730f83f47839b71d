// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Synchronization
import Tenfold

/// A model whose every token costs the same time of one thread, and which serves a live request before one of a batch.
///
/// One token is made at a time, for the request of the highest priority that came first.
final class FixedCostModel: LanguageModel {
  private struct Answer {
    var priority: Int
    var tokensLeft: Int
    var continuation: GenerationStream.Continuation
    var summary: GenerationSummary
  }

  private struct State {
    var isRunning = false
    /// In the order of arrival.
    var answers: [Int: Answer] = [:]
    var next = 0

    var turn: Int? {
      answers.min { (-$0.value.priority, $0.key) < (-$1.value.priority, $1.key) }?.key
    }
  }

  let profile = ModelProfile(id: "fixed-cost", contextLength: 4_096)
  private let perToken = Duration.microseconds(500)
  private let state = Mutex(State())
  private let thread = DispatchQueue(label: "fixed-cost-model")

  func generate(_ request: InferenceRequest) async throws -> GenerationStream {
    let (stream, continuation) = GenerationStream.makeStream()
    let answer = Answer(
      priority: request.context.priority.rawValue,
      tokensLeft: request.options.maxTokens,
      continuation: continuation,
      summary: GenerationSummary(
        reason: .maxTokens,
        usage: TokenUsage(promptTokens: 10, completionTokens: request.options.maxTokens),
        provenance: Provenance(answeredBy: .model(id: profile.id, tier: .small))
      )
    )
    let starts = state.withLock { state in
      state.next += 1
      state.answers[state.next] = answer
      defer { state.isRunning = true }
      return !state.isRunning
    }
    if starts { thread.async { [self] in work() } }
    return stream
  }

  /// Makes tokens until there is nothing to answer.
  private func work() {
    while true {
      let number = state.withLock { state in
        let turn = state.turn
        state.isRunning = turn != nil
        return turn
      }
      guard let number else { return }
      let end = ContinuousClock.now + perToken
      while ContinuousClock.now < end {}
      let (answer, isWhole) = state.withLock { state in
        state.answers[number]?.tokensLeft -= 1
        let isWhole = (state.answers[number]?.tokensLeft ?? 0) <= 0
        return (isWhole ? state.answers.removeValue(forKey: number) : state.answers[number], isWhole)
      }
      guard let answer else { continue }
      if !answer.continuation.yield(.text("word ")) {
        // The reader has left.
        _ = state.withLock { $0.answers.removeValue(forKey: number) }
      } else if isWhole {
        answer.continuation.yield(.finished(answer.summary))
        answer.continuation.finish()
      }
    }
  }
}
