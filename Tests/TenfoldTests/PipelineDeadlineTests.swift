// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Tenfold
import TenfoldTesting
import Testing

/// A part of a pipeline that hangs, deaf to cancellation, until the test ends it.
private struct HangingPart: TextEmbedder, Retriever {
  let profile = EmbedderProfile(id: "hanging", dimension: 2, maxTokens: 8)
  let end: WatchedState<Bool>
  /// How often it was asked.
  let calls = WatchedState(0)

  /// Doesn't look at cancellation.
  func hang() async throws -> Never {
    calls.withLock { $0 += 1 }
    while !end.withLock({ $0 }) { await Task.yield() }
    throw RequestError(.modelFailed, "late")
  }

  func retrieve(_ query: RetrievalQuery) async throws -> RetrievalResult { try await hang() }
  func embed(_ texts: [String]) async throws -> EmbeddingBatch { try await hang() }
}

/// A model whose stream, or what comes before it, hangs.
private struct HangingModel: LanguageModel {
  let profile = ModelProfile(id: "hanging", contextLength: 8)
  let part: HangingPart
  let saysSomething: Bool

  func generate(_ request: InferenceRequest) async throws -> GenerationStream {
    guard saysSomething else { try await part.hang() }
    return GenerationStream { continuation in
      continuation.yield(.text("half an"))
      try await part.hang()
    }
  }
}

@Suite("A pipeline whose parts hang", .timeLimit(.minutes(10)))
struct PipelineDeadlineTests {
  private let time = ManualTime()

  enum Part: CaseIterable {
    case model, stream, embedder, retriever, access
  }

  private func pipeline(_ kind: Part, _ part: HangingPart) throws -> Pipeline {
    let answering = ScriptedLanguageModel { _ in .text("never") }
    switch kind {
    case .model: return Pipeline(model: HangingModel(part: part, saysSomething: false))
    case .stream: return Pipeline(model: HangingModel(part: part, saysSomething: true))
    case .embedder:
      let cache = ResponseCache(store: InMemoryCacheStore(), model: answering.profile, corpusEpoch: { 0 })
      return Pipeline(
        model: answering,
        middlewares: [SemanticCacheMiddleware(cache: cache, embedder: part)]
      )
    case .retriever:
      let retrieval = try RetrievalMiddleware(retriever: part, access: .everyDocument)
      return Pipeline(model: answering, middlewares: [retrieval])
    case .access:
      let retrieval = try RetrievalMiddleware(
        retriever: part,
        access: .documents { _ in try await part.hang() }
      )
      return Pipeline(model: answering, middlewares: [retrieval])
    }
  }

  @Test(
    "ends the request at its deadline, with what came in time and a typed error",
    arguments: Part.allCases
  )
  func ends(kind: Part) async throws {
    let part = HangingPart(end: WatchedState(false))
    let admission = AdmissionMiddleware(time: time.source)
    let inner = try pipeline(kind, part)
    let pipeline = Pipeline(model: inner.model, middlewares: [admission] + inner.middlewares)
    var request = InferenceRequest("hello", tenant: "t")
    request.context.trace = RequestTrace(time: time.source)
    request.context.deadline = time.now.advanced(by: .seconds(2))
    let seen = WatchedState("")
    let sent = request
    await withTaskGroup(of: Void.self) { group in
      group.addTask {
        await #expect {
          for try await event in try await pipeline.generate(sent) {
            if case .text(let text) = event { seen.withLock { $0 += text } }
          }
        } throws: { ($0 as? RequestError)?.code == .deadlineExceeded }
      }
      await part.calls.wait { $0 == 1 }
      if kind == .stream { await seen.wait { $0 == "half an" } }
      await time.waitForSleepers()
      time.advance(by: .seconds(2) + pipeline.deadlineGrace)
    }
    // Nobody waits for the part, and its place is free; now it may end.
    #expect(admission.load.inFlight == 0)
    part.end.withLock { $0 = true }
  }

  @Test("a model that ends at the deadline by itself keeps its answer")
  func grace() async throws {
    let isOver = WatchedState(false)
    let model = ScriptedLanguageModel { _ in
      await isOver.wait { $0 }
      return .text("cut")
    }
    var request = InferenceRequest("hello", tenant: "t")
    request.context.trace = RequestTrace(time: time.source)
    request.context.deadline = time.now.advanced(by: .seconds(2))
    let sent = request
    let text = try await withThrowingTaskGroup(of: String.self) { group in
      group.addTask { try await Pipeline(model: model).respond(to: sent).text }
      await model.waitForRequests()
      await time.waitForSleepers()
      time.advance(by: .seconds(2))
      isOver.withLock { $0 = true }
      return try await group.next()
    }
    #expect(text == "cut")
  }

  @Test("a reader that leaves stops the work of a request with a deadline")
  func leaving() async throws {
    let model = ScriptedLanguageModel { _ in .hang }
    var request = InferenceRequest("hello", tenant: "t")
    request.context.deadline = request.context.trace.time.now.advanced(by: .seconds(3600))
    var stream: GenerationStream? = try await Pipeline(model: model).generate(request)
    #expect(stream != nil && model.openStreams == 1)
    stream = nil
    await model.waitForOpenStreams(0)
  }
}
