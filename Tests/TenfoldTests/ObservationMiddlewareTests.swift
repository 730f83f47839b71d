// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Tenfold
import TenfoldTesting
import Testing

private struct Broken: Error {}

@Suite("ObservationMiddleware")
struct ObservationMiddlewareTests {
  private let price = ModelPrice(
    dollarsPerMillionPromptTokens: 1_000_000,
    dollarsPerMillionCompletionTokens: 2_000_000
  )

  @Test("a finished request is booked for its tenant and completes the provenance")
  func finished() async throws {
    let book = CostBook()
    let stages = StageCollector()
    let model = ScriptedLanguageModel(
      profile: ModelProfile(id: "m", contextLength: 100, price: price)
    ) { request in
      request.context.trace.record(StageRecord(stage: "inference", work: .milliseconds(3), cost: .zero))
      return .text("two words")
    }
    let pipeline = Pipeline(
      model: model,
      middlewares: [ObservationMiddleware(costBook: book, stages: stages)]
    )
    let answer = try await pipeline.respond(to: InferenceRequest("a b c", tenant: "acme"))
    // 3 prompt tokens at 1 dollar and 2 generated ones at 2 dollars.
    #expect(answer.summary.provenance.cost == Money(dollars: 7))
    #expect(answer.summary.provenance.stages.map(\.stage) == ["inference"])
    #expect(book.total(of: "acme") == Money(dollars: 7))
    #expect(book.total(of: "other") == .zero)
    #expect(book.snapshot[CostBook.Key(tenant: "acme", item: "m")]?.completionTokens == 2)
    #expect(stages.snapshot.requests.count == 1)
    #expect(stages.snapshot.stages["inference"]?.work == .milliseconds(3))
  }

  @Test("a request sent twice is booked twice, and one whose reader left when its work ends")
  func leavers() async throws {
    let book = CostBook()
    let model = ScriptedLanguageModel(profile: ModelProfile(id: "m", contextLength: 100, price: price)) {
      $0.question == "hang" ? .hang : .text("two words")
    }
    let pipeline = Pipeline(model: model, middlewares: [ObservationMiddleware(costBook: book)])
    let request = InferenceRequest("a b c", tenant: "acme")
    for _ in 0..<2 { _ = try await pipeline.respond(to: request) }
    #expect(book.total(of: "acme") == Money(dollars: 14))
    let left = InferenceRequest("hang", tenant: "leaver")
    var stream: GenerationStream? = try await pipeline.generate(left)
    #expect(stream != nil)
    stream = nil
    await model.waitForOpenStreams(0)
    let call = ModelCall(model: "m", tier: .small, usage: TokenUsage(), cost: Money(dollars: 3))
    left.context.trace.record(call)
    left.context.trace.record(StageRecord(stage: "inference", work: .seconds(1), cpuTime: .seconds(1)))
    #expect(book.total(of: "leaver") == Money(dollars: 3))
    #expect(book.snapshot[CostBook.Key(tenant: "leaver", item: "inference")]?.cpuTime == .seconds(1))
  }

  @Test("a failure passes through unchanged and is not counted as finished")
  func failed() async throws {
    let stages = StageCollector()
    let model = ScriptedLanguageModel { _ in .failureAfter("half an", Broken()) }
    let pipeline = Pipeline(model: model, middlewares: [ObservationMiddleware(stages: stages)])
    await #expect(throws: Broken.self) {
      try await pipeline.respond(to: InferenceRequest("a", tenant: "acme"))
    }
    #expect(stages.snapshot.requests.count == 0)
  }
}
