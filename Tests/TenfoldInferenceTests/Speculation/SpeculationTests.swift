// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization
import TenfoldCore
import Testing

@testable import TenfoldInference

@Suite("Speculation")
struct SpeculationTests {
  private func model(
    _ speculation: DecoderSpeculation,
    endTokens: Set<Int32> = [],
    isForgetful: Bool = false,
    keyValueCacheBytes: Int = 256 << 20
  ) throws -> LocalLanguageModel {
    var synthetic = SyntheticModel()
    synthetic.isForgetful = isForgetful
    return try .synthetic(
      synthetic,
      endTokens: endTokens,
      options: .init(threads: 1, keyValueCacheBytes: keyValueCacheBytes, speculation: speculation)
    )
  }

  static let text = String(repeating: "the same again, the same once more. ", count: 5)

  /// Every kind of sampling that could tell the difference.
  static let sampling: [GenerationOptions] = {
    do {
      return [
        try GenerationOptions(maxTokens: 60),
        try GenerationOptions(maxTokens: 60, temperature: 0.8, seed: 11),
        try GenerationOptions(maxTokens: 60, temperature: 0.3, topK: 3, topP: 0.9, minP: 0.05, seed: 12),
        try GenerationOptions(maxTokens: 60, repetitionPenalty: 1.2),
        try GenerationOptions(maxTokens: 60, repetitionPenalty: 0.5),
        try GenerationOptions(maxTokens: 60, frequencyPenalty: 0.4, presencePenalty: 0.3),
        try GenerationOptions(maxTokens: 61, frequencyPenalty: -0.2, presencePenalty: 2),
        try GenerationOptions(maxTokens: 60, temperature: 0.7, presencePenalty: 0.9, seed: 5),
        try GenerationOptions(maxTokens: 60, logitBias: [101: -100, 32: 2.5, 116: 1, 97: -3.5]),
        try GenerationOptions(
          maxTokens: 61,
          repetitionPenalty: 1.1,
          frequencyPenalty: 0.1,
          logitBias: [111: 4],
          minTokens: 30,
          stop: ["e", "o", "m"]
        ),
        try GenerationOptions(maxTokens: 60, stop: ["e", "zz", "thet"]),
        try GenerationOptions(maxTokens: 60, logProbabilities: 3),
        try GenerationOptions(maxTokens: 60, temperature: 0.6, seed: 3, alternatives: 3),
        try GenerationOptions(maxTokens: 1),
        try GenerationOptions(maxTokens: 2),
        try GenerationOptions(maxTokens: 10_000),
      ]
    } catch {
      return []
    }
  }()

  @Test(
    "gives the same tokens, text and probabilities as without it",
    .timeLimit(.minutes(10)),
    arguments: sampling,
    [1, 8, 31]
  )
  func identical(options: GenerationOptions, limit: Int) async throws {
    // One model that seldom says what was guessed, and one that often does.
    let isForgetful = options.maxTokens % 2 == 0 && limit > 1
    let plain = try model(.off, isForgetful: isForgetful)
    let guessing = try model(.promptLookup(maximumDraftTokens: limit), isForgetful: isForgetful)
    for prompt in [Self.text, "hello hello hello", "ab"] {
      let expected = try await plain.run(prompt, options)
      let actual = try await guessing.run(prompt, options)
      #expect(actual.ids == expected.ids)
      #expect(actual.completion.text == expected.completion.text)
      #expect(actual.completion.summary.reason == expected.completion.summary.reason)
      #expect(actual.completion.summary.certainty == expected.completion.summary.certainty)
      #expect(
        actual.completion.summary.tokenLogProbabilities == expected.completion.summary.tokenLogProbabilities
      )
      #expect(actual.completion.summary.alternatives == expected.completion.summary.alternatives)
    }
    #expect(guessing.statistics.usedPages == 0)
    await plain.shutdown()
    await guessing.shutdown()
  }

  @Test("makes several tokens in a pass where an answer repeats itself, and counts them")
  func counts() async throws {
    let plain = try model(.off, isForgetful: true)
    let guessing = try model(.promptLookup, isForgetful: true)
    let options = try GenerationOptions(maxTokens: 200)
    let expected = try await plain.run(Self.text, options)
    let actual = try await guessing.run(Self.text, options)
    #expect(actual.ids == expected.ids)
    let usage = actual.completion.summary.usage
    #expect(usage.acceptedTokens > 100 && usage.acceptedTokens <= usage.draftedTokens)
    let statistics = guessing.statistics
    #expect(statistics.acceptedTokens == usage.acceptedTokens)
    #expect(statistics.draftedTokens == usage.draftedTokens)
    #expect(statistics.steps < plain.statistics.steps / 2)
    #expect(statistics.generatedTokens == 200 && plain.statistics.draftedTokens == 0)
    #expect(expected.completion.summary.usage.draftedTokens == 0)
    await plain.shutdown()
    await guessing.shutdown()
  }

  @Test("gives the same tokens as without it where keys and values have 8 bits")
  func int8() async throws {
    func run(_ speculation: DecoderSpeculation) async throws -> (ids: [Int32], statistics: EngineStatistics) {
      let model = try LocalLanguageModel.synthetic(
        SyntheticModel(isForgetful: true),
        endTokens: [],
        options: .init(threads: 1, keyValuePrecision: .int8, speculation: speculation)
      )
      let ids = try await model.run(Self.text, GenerationOptions(maxTokens: 80)).ids
      await model.shutdown()
      return (ids, model.statistics)
    }
    let (plain, guessing) = (try await run(.off), try await run(.promptLookup))
    #expect(guessing.ids == plain.ids && guessing.statistics.acceptedTokens > 0)
    // Nearly twice as many pages as in half precision.
    let halves = try LocalLanguageModel.synthetic(options: .init(threads: 1))
    _ = try await halves.run("a", GenerationOptions(maxTokens: 1))
    #expect(guessing.statistics.totalPages > halves.statistics.totalPages * 3 / 2)
    await halves.shutdown()
  }

  @Test("keeps to a schema, to its limit and to the same answer", .timeLimit(.minutes(10)), arguments: 0..<6)
  func structured(seed: UInt64) async throws {
    let schema = #"""
      {"type": "array", "minItems": 2, "items": {"type": "object", "properties": {"name": {"type": "string",
        "maxLength": 6}, "age": {"type": "integer", "minimum": 0, "maximum": 99}}, "required": ["name", "age"],
        "additionalProperties": false}}
      """#
    let options = try GenerationOptions(
      maxTokens: 60 + Int(seed) * 23,
      temperature: seed % 2 == 0 ? 0 : 0.9,
      seed: seed,
      responseFormat: .jsonSchema(schema)
    )
    let plain = try model(.off, endTokens: [127])
    let guessing = try model(.promptLookup(maximumDraftTokens: 12), endTokens: [127])
    let expected = try await plain.run(Self.text, options)
    let actual = try await guessing.run(Self.text, options)
    #expect(actual.ids == expected.ids, "seed \(seed)")
    #expect(actual.completion.text == expected.completion.text, "seed \(seed)")
    _ = try JSONSerialization.jsonObject(with: Data(actual.completion.text.utf8))
    #expect(guessing.statistics.draftedTokens > 0, "seed \(seed)")
    await plain.shutdown()
    await guessing.shutdown()
  }

  @Test(
    "gives the same tokens whatever the arrival, cancellations and page budget; and loses no page",
    .timeLimit(.minutes(10)),
    arguments: RandomArrivals.seeds
  )
  func randomArrivals(seed: UInt64) async throws {
    var random = SamplerRandom(seed: seed)
    let arrivals = try RandomArrivals(seed: seed, using: &random)
    let plain = try model(.off, isForgetful: seed % 2 == 1)
    let page = KeyValueMemory.bytesPerPage(plain.model.configuration)
    let crowd = try model(
      .promptLookup(maximumDraftTokens: Int.random(in: 1...31, using: &random)),
      isForgetful: seed % 2 == 1,
      keyValueCacheBytes: page * Int.random(in: 8...30, using: &random)
    )
    try await arrivals.ask(crowd, expecting: arrivals.answers(of: plain))
    await crowd.waitForIdle()
    #expect(crowd.statistics.usedPages == 0, "seed \(seed): pages leak")
    // The other models may never repeat themselves.
    #expect(seed % 2 == 0 || crowd.statistics.acceptedTokens > 0, "seed \(seed)")
    await plain.shutdown()
    await crowd.shutdown()
  }

  @Test("refuses to guess more than a pass has room for")
  func limit() {
    let error = #expect(throws: ModelError.self) { _ = try model(.promptLookup(maximumDraftTokens: 32)) }
    #expect(error?.code == .invalidOption && error?.message.contains("0...31") == true)
    #expect(throws: ModelError.self) { _ = try model(.promptLookup(maximumDraftTokens: -1)) }
  }
}
