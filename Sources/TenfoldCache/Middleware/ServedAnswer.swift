// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

extension CachedAnswer {
  /// The short name of the entry under which this answer is kept, for provenance.
  func entryName(_ key: CacheKey) -> String { alias?.entry ?? String(key.digest.description.prefix(16)) }

  /// The stream that delivers this answer: no tokens, no cost.
  func stream(answeredBy source: AnswerSource, trace: RequestTrace) -> GenerationStream {
    GenerationStream(
      Completion(
        text: text,
        summary: GenerationSummary(
          reason: reason,
          usage: TokenUsage(timeToFirstToken: trace.elapsed),
          provenance: Provenance(answeredBy: source, documents: documents, stages: trace.stages),
          meanLogProbability: meanLogProbability,
          choiceProbabilities: choiceProbabilities
        )
      )
    )
  }
}

/// Serves an expired answer when what is inside fails before its first word.
struct StaleFallback: Sendable {
  var stage: String
  var hit: CacheHit
  var source: AnswerSource

  func call(
    _ request: InferenceRequest,
    _ next: @escaping @Sendable (InferenceRequest) async throws -> GenerationStream
  ) async throws -> GenerationStream {
    let serve: @Sendable (any Error) throws -> GenerationStream = { error in
      guard Self.mayRecover(from: error) else { throw error }
      request.context.trace.record(StageRecord(stage: stage, work: .zero, note: "stale, after: \(error)"))
      return hit.answer.stream(answeredBy: source, trace: request.context.trace)
    }
    do {
      return try await next(request).recoveringBeforeFirstEvent { try serve($0) }
    } catch {
      return try serve(error)
    }
  }

  /// A request that is wrong in itself gets its error, not an old answer.
  private static func mayRecover(from error: any Error) -> Bool {
    if error is CancellationError { return false }
    return (error as? any RequestFault)?.isRequestsFault != true
  }
}
