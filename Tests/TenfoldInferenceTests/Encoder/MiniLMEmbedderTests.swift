// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import Testing

@testable import TenfoldInference

@Suite("MiniLM embedder")
struct MiniLMEmbedderTests {
  private static let words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c", "##a", "##b"]

  private func embedder(
    _ options: MiniLMEmbedder.Options = .init(maxTokens: 12, threads: 1)
  ) throws -> MiniLMEmbedder {
    try MiniLMEmbedder(
      encoder: BERTEncoder(weights: SyntheticEncoder(seed: 9), options: .init(headCount: 3)),
      tokenizer: WordPieceTokenizer(vocabulary: Array(Self.words.joined(separator: "\n").utf8)),
      options: options
    )
  }

  @Test("vectors don't depend on the call they are made in")
  func independent() async throws {
    let embedder = try embedder()
    let texts = ["a b", "", "   ", "c c c", "b"]
    let batch = try await embedder.embed(texts)
    #expect(batch.count == 5 && batch.dimension == 48)
    for (index, text) in texts.enumerated() {
      let alone = try await embedder.embed([text])
      #expect(alone.values == batch.vector(at: index))
      let square = alone.values.reduce(0) { $0 + $1 * $1 }
      #expect(abs(square - 1) < 1e-5)
    }
    #expect(batch.tokenCounts == [4, 2, 2, 5, 3])
    await embedder.shutdown()
  }

  @Test("long texts are cut and say so")
  func cuts() async throws {
    let embedder = try embedder()
    let batch = try await embedder.embed([String(repeating: "a ", count: 50), "a"])
    #expect(batch.tokenCounts == [12, 3])
    #expect(batch.isTruncated == [true, false])
    await embedder.shutdown()
  }

  @Test("no texts give an empty batch")
  func empty() async throws {
    let embedder = try embedder()
    #expect(try await embedder.embed([]).count == 0)
    await embedder.shutdown()
  }

  /// Until a call waits for others to share its step, or has been computed without them, against expectation.
  private func waiting(in embedder: MiniLMEmbedder) async {
    while embedder.statistics.waitingTokens == 0, embedder.statistics.steps == 0 { await Task.yield() }
  }

  @Test(
    "a call waits for others within the merge window, and no longer once a step is full",
    .timeLimit(.minutes(10))
  )
  func mergeWindow() async throws {
    // Each text has three tokens.
    let embedder = try embedder(.init(maxTokens: 12, stepTokens: 6, mergeWindow: .seconds(600), threads: 1))
    async let first = embedder.embed(["a"])
    await waiting(in: embedder)
    #expect(embedder.statistics.steps == 0)
    async let second = embedder.embed(["b"])
    let (a, b) = try await (first, second)
    #expect(embedder.statistics.steps == 1)
    #expect(embedder.statistics.texts == 2)
    #expect(a.values != b.values)
    await embedder.shutdown()
  }

  @Test(
    "a call that waits for others is computed alone when none comes, cancelled, and stopped",
    .timeLimit(.minutes(10))
  )
  func mergeWindowAlone() async throws {
    let brief = try embedder(.init(maxTokens: 12, mergeWindow: .milliseconds(2), threads: 1))
    #expect(try await brief.embed(["a"]).values == brief.embed(["a"]).values)
    await brief.shutdown()
    let patient = try embedder(.init(maxTokens: 12, mergeWindow: .seconds(600), threads: 1))
    let cancelled = Task { try await patient.embed(["a"]) }
    await waiting(in: patient)
    cancelled.cancel()
    await #expect(throws: CancellationError.self) { try await cancelled.value }
    let stopped = Task { try await patient.embed(["b"]) }
    await waiting(in: patient)
    await patient.shutdown()
    await #expect { try await stopped.value } throws: { ($0 as? ModelError)?.code == .engineStopped }
    #expect(patient.statistics.steps == 0)
  }

  @Test("checks the merge window", arguments: [Duration.milliseconds(-1), .seconds(601)])
  func mergeWindowRange(_ window: Duration) throws {
    #expect { try embedder(.init(mergeWindow: window)) } throws: {
      ($0 as? ModelError)?.code == .invalidOption
    }
  }

  @Test("many callers at once get what each would get alone")
  func concurrent() async throws {
    let embedder = try embedder()
    let expected = try await embedder.embed(["a", "b", "c"])
    try await withThrowingTaskGroup(of: Bool.self) { group in
      for caller in 0..<40 {
        group.addTask {
          let text = ["a", "b", "c"][caller % 3]
          return try await embedder.embed([text, "c"]).vector(at: 0) == expected.vector(at: caller % 3)
        }
      }
      for try await isEqual in group { #expect(isEqual) }
    }
    #expect(embedder.statistics.texts == 83)
    #expect(embedder.statistics.steps <= 41)
    await embedder.shutdown()
  }

  @Test(
    "a text that the weights overflow for fails its own call, and none that shares its step",
    arguments: [EncoderPrecision.float32, .int8]
  )
  func unsound(precision: EncoderPrecision) async throws {
    var weights = SyntheticEncoder(seed: 9)
    // The word "c" is too large for its variance to be finite.
    let token = Self.words.firstIndex(of: "c") ?? 0
    for column in token * weights.width..<(token + 1) * weights.width {
      weights.tensors[BERTTensor.words]?.values[column] = column % 2 == 0 ? 3e38 : -3e38
    }
    let embedder = try MiniLMEmbedder(
      encoder: BERTEncoder(weights: weights, options: .init(precision: precision, headCount: 3)),
      tokenizer: WordPieceTokenizer(vocabulary: Array(Self.words.joined(separator: "\n").utf8)),
      // Long enough that some share a step, however few threads there are.
      options: .init(maxTokens: 12, mergeWindow: .milliseconds(200), threads: 1)
    )
    let expected = try await embedder.embed(["a", "b a"])
    try await withThrowingTaskGroup(of: Void.self) { group in
      for caller in 0..<40 {
        group.addTask {
          guard caller % 4 == 1 else {
            let batch = try await embedder.embed(["a", "b a"])
            #expect(batch.values == expected.values, "caller \(caller)")
            return
          }
          let error = await #expect(throws: ModelError.self) { try await embedder.embed(["a", "c", "b"]) }
          #expect(error?.code == .invalidTensor)
        }
      }
      try await group.waitForAll()
    }
    let statistics = embedder.statistics
    #expect(statistics.steps < 41 && statistics.waitingTokens == 0, "\(statistics.steps)")
    await embedder.shutdown()
  }

  @Test("a cancelled call ends with a cancellation")
  func cancelled() async throws {
    let embedder = try embedder()
    let task = Task {
      unsafe withUnsafeCurrentTask { unsafe $0?.cancel() }
      return try await embedder.embed(["a"])
    }
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(try await embedder.embed(["a"]).count == 1)
    await embedder.shutdown()
  }

  @Test("after shutdown calls end with a typed error, and a second shutdown returns")
  func stopped() async throws {
    let embedder = try embedder()
    await embedder.shutdown()
    await embedder.shutdown()
    let error = await #expect(throws: ModelError.self) { try await embedder.embed(["a"]) }
    #expect(error?.code == .engineStopped)
  }

  @Test("impossible options and a foreign vocabulary are refused")
  func options() throws {
    for options: MiniLMEmbedder.Options in [
      .init(maxTokens: 1), .init(maxTokens: 41), .init(maxTokens: 8, stepTokens: 0),
      .init(maxTokens: 8, waitingTokens: 0),
    ] {
      let error = #expect(throws: ModelError.self) { try embedder(options) }
      #expect(error?.code == .invalidOption)
    }
    let encoder = try BERTEncoder(
      weights: SyntheticEncoder(seed: 9, vocabulary: 8),
      options: .init(headCount: 3)
    )
    let tokenizer = try WordPieceTokenizer(vocabulary: Array(Self.words.joined(separator: "\n").utf8))
    let error = #expect(throws: ModelError.self) {
      try MiniLMEmbedder(encoder: encoder, tokenizer: tokenizer, options: .init(maxTokens: 8))
    }
    #expect(error?.code == .invalidTokenizer)
  }

  @Test("the revision names the weights and the precision")
  func revision() throws {
    let embedder = try embedder()
    #expect(embedder.profile.revision.hasSuffix("-int8"))
    #expect(embedder.profile.maxTokens == 12)
    // Whatever changes a vector changes it.
    func revision(
      _ options: BERTEncoder.Options = .init(headCount: 3),
      seed: UInt64 = 9,
      words: [String] = Self.words
    ) throws -> String {
      try MiniLMEmbedder(
        encoder: BERTEncoder(weights: SyntheticEncoder(seed: seed), options: options),
        tokenizer: WordPieceTokenizer(vocabulary: Array(words.joined(separator: "\n").utf8)),
        options: .init(maxTokens: 12, threads: 1)
      ).profile.revision
    }
    #expect(try revision() == embedder.profile.revision)
    let others = try [
      revision(.init(headCount: 4)), revision(.init(headCount: 3, layerNormEpsilon: 1e-5)), revision(seed: 8),
      revision(words: Self.words.dropLast(2) + ["##b", "##a"]),
    ]
    #expect(Set(others + [embedder.profile.revision]).count == 5)
  }
}
