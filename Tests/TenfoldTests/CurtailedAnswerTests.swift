// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Tenfold
import TenfoldTesting
import Testing

/// A judge that is never sure.
private struct Doubt: CompletionConfidence {
  func confidence(in completion: Completion, for request: InferenceRequest) async throws -> Double { 0 }
}

/// A retriever that finds one passage, and all that there is only while the switch is on.
private struct PartialRetriever: Retriever {
  let isWhole = WatchedState(false)

  func retrieve(_ query: RetrievalQuery) async throws -> RetrievalResult {
    RetrievalResult(
      passages: [RetrievedPassage(document: "a", text: "a passage", score: 1)],
      answeredBy: "hybrid",
      isPartial: !isWhole.withLock { $0 }
    )
  }
}

@Suite("An answer that is curtailed")
struct CurtailedAnswerTests {
  /// Both caches in front of `model`.
  private func layers(_ model: any LanguageModel) -> PipelineLayers {
    let cache = ResponseCache(store: InMemoryCacheStore(), model: model.profile, corpusEpoch: { 0 })
    var layers = PipelineLayers()
    layers.exactCache = ExactCacheMiddleware(cache: cache)
    layers.semanticCache = SemanticCacheMiddleware(cache: cache, embedder: HashingTextEmbedder())
    return layers
  }

  @Test("for want of money is not what a cache tells those who have it")
  func ceiling() async throws {
    let price = ModelPrice(dollarsPerMillionCompletionTokens: 1_000)
    let small = ScriptedLanguageModel(profile: ModelProfile(id: "s", contextLength: 99)) { _ in .text("small")
    }
    let large = ScriptedLanguageModel(
      profile: ModelProfile(id: "l", contextLength: 99, tier: .large, price: price)
    ) { _ in .text("large") }
    let model = try CascadeModel(id: "c", small: small, large: large, confidence: Doubt())
    let pipeline = layers(model).pipeline(model: model)
    var poor = InferenceRequest("why?", tenant: "t")
    poor.context.costCeiling = Money(dollars: 0.000_001)
    let lesser = try await pipeline.respond(to: poor)
    #expect(lesser.text == "small" && lesser.summary.provenance.isCurtailed)
    let request = InferenceRequest("why?", tenant: "t")
    #expect(try await pipeline.respond(to: request).text == "large")
    // That one is kept, also for those who could not have paid for it.
    #expect(try await pipeline.respond(to: poor).text == "large")
    #expect(large.requests.count == 1 && small.requests.count == 2)
  }

  @Test("for want of documents is not what a cache tells once they are there")
  func partialRetrieval() async throws {
    let model = ScriptedLanguageModel { _ in .text("answer") }
    let retriever = PartialRetriever()
    var layers = layers(model)
    layers.retrieval = try RetrievalMiddleware(retriever: retriever, access: .everyDocument)
    let pipeline = layers.pipeline(model: model)
    for isWhole in [false, true, true] {
      retriever.isWhole.withLock { $0 = isWhole }
      let answer = try await pipeline.respond(to: InferenceRequest("why?", tenant: "t"))
      #expect(answer.summary.provenance.isCurtailed == !isWhole)
    }
    // The first answer was not kept, the second was.
    #expect(model.requests.count == 2)
  }
}
