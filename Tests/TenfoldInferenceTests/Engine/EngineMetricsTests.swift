// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import MetricsTestKit
import Synchronization
import TenfoldCore
import Testing

@testable import TenfoldInference

@Suite("The engine's metrics")
struct EngineMetricsTests {
  @Test("tell times, batch sizes, memory, reuse and guesses")
  func recorded() async throws {
    let metrics = TestMetrics()
    let model = try LocalLanguageModel(
      model: SyntheticModel(isForgetful: true).load(),
      vocabulary: ASCIIVocabulary(endTokens: []),
      options: .init(threads: 1, id: "tiny"),
      name: "synthetic",
      metrics: metrics
    )
    let prompt = String(repeating: "again and again, ", count: 6)
    let options = try GenerationOptions(maxTokens: 40)
    for _ in 0..<2 { _ = try await model.start(.raw(prompt, options), onToken: nil).collect() }
    await model.shutdown()
    let statistics = model.statistics
    let dimensions = [("model", "tiny")]
    func total(_ name: String) -> Int64 {
      metrics.counterTotal(label: "tenfold.inference." + name, dimensions: dimensions)
    }
    #expect(total("passes") == statistics.steps)
    #expect(total("prompt_tokens") == 204 && total("cached_prompt_tokens") == 96)
    #expect(total("generated_tokens") == 80)
    #expect(total("drafted_tokens") == statistics.draftedTokens && statistics.draftedTokens > 0)
    #expect(total("accepted_tokens") == statistics.acceptedTokens)
    for name in ["queue_time", "time_to_first_token", "time_per_token"] {
      #expect(try metrics.expectTimer("tenfold.inference." + name, dimensions).values.count == 2)
    }
    let rows = try metrics.expectRecorder("tenfold.inference.batch_rows", dimensions).values
    #expect(rows.count == statistics.steps && rows.reduce(0, +) == Double(statistics.computedRows))
    let pages = try metrics.expectGauge("tenfold.inference.key_value_pages_used", dimensions).values
    #expect((pages.max() ?? 0) >= 4 && pages.last == 0)
    let requests = metrics.counterTotal(
      label: "tenfold.inference.requests",
      dimensions: [("model", "tiny"), ("outcome", "length")]
    )
    #expect(requests == 2)
  }

  @Test("tell the time between the tokens of one answer, however many a request has")
  func alternatives() async throws {
    let metrics = TestMetrics()
    let model = try LocalLanguageModel(
      model: SyntheticModel().load(),
      vocabulary: ASCIIVocabulary(endTokens: []),
      options: .init(threads: 1),
      name: "synthetic",
      metrics: metrics
    )
    // A clock that each token of the streamed answer turns by a second.
    let clock = Mutex(ContinuousClock.now)
    let time = TimeSource(now: { clock.withLock { $0 } }, sleep: { _ in })
    var request = InferenceRequest.raw(
      "go on ",
      try GenerationOptions(maxTokens: 5, temperature: 1, alternatives: 3)
    )
    request.context = RequestContext(tenant: "test", trace: RequestTrace(time: time))
    let stream = try model.start(request) { _ in clock.withLock { $0 += .seconds(1) } }
    #expect(try await stream.collect().summary.usage.completionTokens == 15)
    await model.shutdown()
    let timer = try metrics.expectTimer("tenfold.inference.time_per_token", [("model", "synthetic")])
    #expect(timer.values == [1_000_000_000])
  }

  @Test("count requests whose reader leaves")
  func cancelled() async throws {
    let metrics = TestMetrics()
    let model = try LocalLanguageModel(
      model: SyntheticModel().load(),
      vocabulary: ASCIIVocabulary(endTokens: []),
      options: .init(threads: 1),
      name: "synthetic",
      metrics: metrics
    )
    // The engine waits with its first token until the reader has left.
    let hasLeft = DispatchSemaphore(value: 0)
    do {
      let request = InferenceRequest.raw("go on ", try GenerationOptions(maxTokens: 400))
      let stream = try model.start(request) { _ in
        hasLeft.wait()
        hasLeft.signal()
      }
      let task = Task { try await stream.collect() }
      task.cancel()
      await #expect(throws: CancellationError.self) { try await task.value }
    }
    hasLeft.signal()
    await model.waitForIdle()
    await model.shutdown()
    let requests = metrics.counterTotal(
      label: "tenfold.inference.requests",
      dimensions: [("model", "synthetic"), ("outcome", "cancelled")]
    )
    #expect(requests == 1)
  }
}
