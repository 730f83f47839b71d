// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import MetricsTestKit
import TenfoldCore
import Testing

@testable import TenfoldInference

@Suite("Speculation with a draft model")
struct DraftModelSpeculationTests {
  /// What drafts for the synthetic model.
  enum Drafts: CaseIterable {
    /// The same weights, which guess right.
    case same
    /// Other weights, which seldom do.
    case others
    /// Fewer, with a shorter context.
    case small

    func model(isForgetful: Bool) throws -> DraftModel {
      var synthetic = SyntheticModel()
      synthetic.isForgetful = isForgetful
      switch self {
      case .same: break
      case .others: synthetic.seed = 2
      case .small: (synthetic.seed, synthetic.blockCount, synthetic.contextLength) = (3, 1, 230)
      }
      return try ModelDrafterTests.free(synthetic)
    }
  }

  private func model(
    _ speculation: DecoderSpeculation,
    isForgetful: Bool = false,
    keyValueCacheBytes: Int = 256 << 20,
    prefixCacheBytes: Int? = nil
  ) throws -> LocalLanguageModel {
    var synthetic = SyntheticModel()
    synthetic.isForgetful = isForgetful
    return try .synthetic(
      synthetic,
      endTokens: [],
      options: .init(
        threads: 1,
        keyValueCacheBytes: keyValueCacheBytes,
        prefixCacheBytes: prefixCacheBytes,
        speculation: speculation
      )
    )
  }

  private func end(_ models: LocalLanguageModel...) async {
    for model in models {
      await model.waitForIdle()
      #expect(model.statistics.usedPages == 0 && model.statistics.usedDraftPages == 0)
      await model.shutdown()
    }
  }

  @Test(
    "gives the same tokens, text and probabilities as without it",
    .timeLimit(.minutes(10)),
    arguments: SpeculationTests.sampling,
    Drafts.allCases
  )
  func identical(options: GenerationOptions, drafts: Drafts) async throws {
    let isForgetful = options.maxTokens % 2 == 0
    let plain = try model(.off, isForgetful: isForgetful)
    let guessing = try model(
      .draftModel(
        drafts.model(isForgetful: isForgetful),
        maximumDraftTokens: drafts == .others ? 31 : 5,
        promptLookup: drafts == .small
      ),
      isForgetful: isForgetful,
      prefixCacheBytes: drafts == .others ? 0 : nil
    )
    for prompt in [SpeculationTests.text, "hello hello hello", "ab"] {
      let expected = try await plain.run(prompt, options)
      let actual = try await guessing.run(prompt, options)
      #expect(actual.ids == expected.ids)
      #expect(actual.completion.text == expected.completion.text)
      let (summary, plainSummary) = (actual.completion.summary, expected.completion.summary)
      #expect(summary.reason == plainSummary.reason)
      #expect(summary.certainty == plainSummary.certainty)
      #expect(summary.tokenLogProbabilities == plainSummary.tokenLogProbabilities)
      #expect(summary.alternatives == plainSummary.alternatives)
    }
    #expect(options.maxTokens <= 2 || guessing.statistics.modelDraftedTokens > 0)
    await end(plain, guessing)
  }

  @Test("makes several tokens in a pass where the draft is right, and counts them")
  func counts() async throws {
    let metrics = TestMetrics()
    let plain = try model(.off)
    let guessing = try LocalLanguageModel(
      model: SyntheticModel().load(),
      vocabulary: ASCIIVocabulary(endTokens: []),
      options: .init(
        threads: 1,
        speculation: .draftModel(Drafts.same.model(isForgetful: false), promptLookup: false),
        id: "tiny"
      ),
      name: "synthetic",
      metrics: metrics
    )
    let options = try GenerationOptions(maxTokens: 200)
    let expected = try await plain.run("once upon", options)
    let actual = try await guessing.run("once upon", options)
    #expect(actual.ids == expected.ids)
    let (usage, statistics) = (actual.completion.summary.usage, guessing.statistics)
    // With the same weights every guess comes true.
    #expect(usage.acceptedTokens > 100 && usage.acceptedTokens == usage.draftedTokens)
    #expect(statistics.modelAcceptedTokens == usage.acceptedTokens)
    #expect(statistics.modelDraftedTokens == usage.draftedTokens)
    #expect(statistics.acceptedTokens == usage.acceptedTokens)
    #expect(statistics.steps < plain.statistics.steps / 2)
    #expect(statistics.generatedTokens == 200 && statistics.draftPasses >= usage.draftedTokens)
    #expect(usage.cpuTime > .zero)
    await end(plain, guessing)
    func total(_ name: String) -> Int64 {
      metrics.counterTotal(label: "tenfold.inference." + name, dimensions: [("model", "tiny")])
    }
    #expect(total("model_drafted_tokens") == statistics.modelDraftedTokens)
    #expect(total("model_accepted_tokens") == statistics.modelAcceptedTokens)
    #expect(total("draft_passes") == statistics.draftPasses)
  }

  @Test("looks up first and lets the draft model fill in")
  func both() async throws {
    let plain = try model(.off, isForgetful: true)
    let guessing = try model(.draftModel(Drafts.same.model(isForgetful: true)), isForgetful: true)
    let options = try GenerationOptions(maxTokens: 120)
    for prompt in ["xyz", SpeculationTests.text] {
      #expect(try await guessing.run(prompt, options).ids == plain.run(prompt, options).ids)
    }
    let statistics = guessing.statistics
    #expect(statistics.modelAcceptedTokens > 0)
    #expect(statistics.modelAcceptedTokens == statistics.modelDraftedTokens)
    #expect(statistics.acceptedTokens > statistics.modelAcceptedTokens)
    await end(plain, guessing)
  }

  @Test("does nothing with a draft that costs as much as the model")
  func dear() async throws {
    var draft = try Drafts.same.model(isForgetful: false)
    draft.costs = (PassCost(first: 1, further: 0.2), PassCost(first: 1, further: 0.2))
    let guessing = try model(.draftModel(draft, promptLookup: false))
    _ = try await guessing.run("once upon", GenerationOptions(maxTokens: 60))
    #expect(guessing.statistics.draftPasses == 0)
    await end(guessing)
  }

  @Test("keeps to a schema and to the same answer", .timeLimit(.minutes(10)), arguments: 0..<6)
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
    func make(_ speculation: DecoderSpeculation) throws -> LocalLanguageModel {
      try .synthetic(endTokens: [127], options: .init(threads: 1, speculation: speculation))
    }
    let draft = try ModelDrafterTests.free(
      SyntheticModel(seed: 1 + seed % 2),
      vocabulary: ASCIIVocabulary(endTokens: [127])
    )
    let (plain, guessing) = (try make(.off), try make(.draftModel(draft, promptLookup: false)))
    let expected = try await plain.run(SpeculationTests.text, options)
    let actual = try await guessing.run(SpeculationTests.text, options)
    #expect(actual.ids == expected.ids, "seed \(seed)")
    #expect(actual.completion.text == expected.completion.text, "seed \(seed)")
    _ = try JSONSerialization.jsonObject(with: Data(actual.completion.text.utf8))
    await end(plain, guessing)
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
      .draftModel(
        Drafts.allCases[Int(seed) % 3].model(isForgetful: seed % 2 == 1),
        maximumDraftTokens: Int.random(in: 1...31, using: &random),
        promptLookup: seed % 4 < 2
      ),
      isForgetful: seed % 2 == 1,
      keyValueCacheBytes: page * Int.random(in: 8...30, using: &random)
    )
    try await arrivals.ask(crowd, expecting: arrivals.answers(of: plain))
    #expect(crowd.statistics.modelDraftedTokens > 0, "seed \(seed)")
    await end(plain, crowd)
  }

  @Test("ends at once when the model is shut down")
  func shutdown() async throws {
    let guessing = try model(.draftModel(Drafts.same.model(isForgetful: false), promptLookup: false))
    let options = try GenerationOptions(maxTokens: 400)
    let stream = try guessing.start(.raw("go on", options)) { _ in }
    async let ended: Void = guessing.shutdown()
    let error = await #expect(throws: ModelError.self) {
      for try await _ in stream {}
      throw ModelError(.engineStopped, "It was quicker.")
    }
    #expect(error?.code == .engineStopped)
    await ended
  }

  @Test("shares the weights of a model that answers too")
  func sharing() async throws {
    let small = try model(.off)
    let draft = DraftModel(sharing: small)
    #expect(draft.model === small.model && draft == DraftModel(sharing: small) && draft.name == "synthetic")
    let large = try model(.draftModel(draft))
    let options = try GenerationOptions(maxTokens: 20)
    #expect(try await large.run("ab", options).ids == small.run("ab", options).ids)
    await end(small, large)
  }

  @Test("says itself in words")
  func words() throws {
    let draft = try Drafts.small.model(isForgetful: false)
    #expect("\(DecoderSpeculation.off)" == "off")
    #expect("\(DecoderSpeculation.promptLookup)" == "prompt lookup of up to 8 tokens")
    let both = DecoderSpeculation.draftModel(draft, maximumDraftTokens: 4)
    #expect("\(both)" == "prompt lookup and the draft model draft of up to 4 tokens")
    #expect(both != .draftModel(draft, maximumDraftTokens: 4, promptLookup: false))
    #expect(both == .draftModel(draft, maximumDraftTokens: 4))
  }

  /// A vocabulary that differs in one place.
  private struct OtherVocabulary: DecoderVocabulary {
    var base = ASCIIVocabulary(endTokens: [])
    var count = 128
    var other: Int32?
    var endTokens: Set<Int32> { base.endTokens }
    var turnEnd: Int32? { base.turnEnd }

    func bytes(of token: Int32) -> [UInt8] { token == other ? [0x3F] : base.bytes(of: token) }
    func encode(_ text: String) throws(ModelError) -> [Int32] { try base.encode(text) }
    func encode(_ messages: [ChatMessage]) throws(ModelError) -> [Int32] { try base.encode(messages) }
    func makeDetokenizer() -> any TokenDetokenizer { base.makeDetokenizer() }
  }

  @Test("refuses a draft model with other tokens, and says which")
  func mismatch() throws {
    let cases: [(OtherVocabulary, String)] = [
      (OtherVocabulary(count: 127), "it has 127 tokens and synthetic 128"),
      (OtherVocabulary(other: 97), "token 97 is \"?\" to it and \"a\" to synthetic"),
      (OtherVocabulary(other: 127), "token 127 is \"?\" to it and a control token to synthetic"),
      (OtherVocabulary(base: ASCIIVocabulary(endTokens: [3])), "token 3 ends an answer of one of them"),
    ]
    for (vocabulary, message) in cases {
      let draft = try ModelDrafterTests.free(SyntheticModel(), vocabulary: vocabulary)
      let error = #expect(throws: ModelError.self) { _ = try model(.draftModel(draft)) }
      #expect(error?.code == .vocabularyMismatch)
      #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
      // Where nothing is guessed it doesn't matter.
      _ = try model(.draftModel(draft, maximumDraftTokens: 0))
    }
  }
}
