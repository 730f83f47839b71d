// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Tenfold

/// What does it save that prompts begin alike? Peer: the same engine with nothing to reuse.
///
/// The replay has the shape of a public trace of conversations: some 37 % of all prompt blocks occurred before.
struct PrefixBenchmark {
  let path: String
  let precision: DecoderPrecision

  private static let blockLength = 32
  private static let words = [
    "river", "engine", "paper", "window", "garden", "signal", "copper", "market", "planet", "letter",
    "forest",
    "bridge",
    "silver", "doctor", "winter", "number",
  ]

  func run(_ report: inout BenchmarkReport) async throws {
    let file = try GGUFFile(path: path)
    let tokenizer = try BytePairTokenizer(metadata: file.metadata)
    try await firstToken(&report)
    let prompts = Self.replay()
    let ideal = Self.reusable(prompts.map { tokenizer.encode($0) })
    let cold = try await replay(prompts, report.options.threads, reuses: false)
    let warm = try await replay(prompts, report.options.threads, reuses: true)
    let parameters = [
      "requests": "\(prompts.count)", "shared": BenchmarkReport.short(ideal.share),
      "precision": "\(precision)",
    ]
    func one(_ value: Double) -> BenchmarkSample { BenchmarkSample(values: [value], othersCPUs: nil) }
    let reused = 100 * Double(warm.cached) / Double(ideal.tokens)
    report.add("prefix-replay", "reused/reusable", "%", one(reused), parameters: parameters)
    report.add("prefix-replay", "speed-up", "x", one(cold.seconds / warm.seconds), parameters: parameters)
  }

  // MARK: - Time to first token

  private func firstToken(_ report: inout BenchmarkReport) async throws {
    let model = try await load(report.options.threads, reuses: true)
    var cold: [Double] = []
    var warm: [Double] = []
    for repetition in 0..<report.options.reps + 1 {
      let shared = Self.text(900, seed: 31 * repetition + 1)
      for (index, tail) in [7, 8].enumerated() {
        let usage = try await answer(model, shared + Self.text(100, seed: 1_000 * repetition + tail))
        // The first pair warms up.
        guard repetition > 0 else { continue }
        let milliseconds = usage.timeToFirstToken / .milliseconds(1)
        if index == 0 { cold.append(milliseconds) } else { warm.append(milliseconds) }
      }
    }
    await model.shutdown()
    let meter = NoiseMeter()
    let ratios = zip(warm, cold).map { $0 / $1 }
    for (name, values) in [("new", cold), ("90% reused", warm)] {
      let sample = BenchmarkSample(values: values.sorted(), othersCPUs: meter.othersCPUs())
      report.add("prefix-ttft", name, "ms", sample)
    }
    report.add("prefix-ttft", "ratio", "x", BenchmarkSample(values: ratios.sorted(), othersCPUs: nil))
  }

  // MARK: - Replay

  private func replay(
    _ prompts: [String],
    _ threads: Int,
    reuses: Bool
  ) async throws -> (seconds: Double, cached: Int) {
    let model = try await load(threads, reuses: reuses)
    _ = try await answer(model, "warm up")
    let start = ContinuousClock.now
    let cached = try await withThrowingTaskGroup(of: Int.self) { group in
      // Four clients, each of which waits for its answer.
      for client in 0..<4 {
        group.addTask {
          var cached = 0
          for index in stride(from: client, to: prompts.count, by: 4) {
            cached += try await answer(model, prompts[index]).cachedPromptTokens
          }
          return cached
        }
      }
      return try await group.reduce(0, +)
    }
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    await model.shutdown()
    return (seconds, cached)
  }

  /// 48 prompts of 6 conversations that go on from turn to turn, and of strangers.
  private static func replay() -> [String] {
    var conversations = (0..<6).map { text(200, seed: 77 + $0) }
    return (0..<48).map { index in
      if index % 3 == 2 { return text(320, seed: 5_000 + index) }
      let conversation = (index * 5 + index / 6) % conversations.count
      conversations[conversation] += text(110, seed: 9_000 + index)
      return conversations[conversation]
    }
  }

  /// What a cache that forgets nothing could reuse, prompts coming one after the other.
  private static func reusable(_ prompts: [[Int32]]) -> (tokens: Int, share: Double) {
    var seen: Set<[Int32]> = []
    var tokens = 0
    for prompt in prompts {
      var end = blockLength
      while end < prompt.count, seen.contains(Array(prompt[..<end])) {
        tokens += blockLength
        end += blockLength
      }
      for end in stride(from: blockLength, through: prompt.count, by: blockLength) {
        seen.insert(Array(prompt[..<end]))
      }
    }
    return (tokens, Double(tokens) / Double(prompts.reduce(0) { $0 + $1.count }))
  }

  // MARK: - Parts

  private func load(_ threads: Int, reuses: Bool) async throws -> LocalLanguageModel {
    try await LocalLanguageModel.load(
      gguf: path,
      options: .init(
        threads: threads,
        contextLength: 2_048,
        keyValueCacheBytes: 1 << 30,
        prefixCacheBytes: reuses ? nil : 0,
        precision: precision
      )
    )
  }

  private func answer(_ model: LocalLanguageModel, _ text: String) async throws -> TokenUsage {
    let request = InferenceRequest(
      prompt: .text(text),
      options: try GenerationOptions(maxTokens: 4),
      context: RequestContext(tenant: "bench")
    )
    return try await model.respond(to: request).summary.usage
  }

  /// Words of about a token each, from a fixed generator.
  private static func text(_ count: Int, seed: Int) -> String {
    var state = UInt64(truncatingIfNeeded: seed) &* 0x9E37_79B9_7F4A_7C15 | 1
    var text = ""
    for _ in 0..<count {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      text += " " + words[Int(state >> 59) % words.count]
    }
    return text
  }
}
