// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Tenfold

/// How much more do several answers yield together than one after the other? Peer: llama.cpp's batched decode.
struct BatchBenchmark {
  let path: String
  let precision: DecoderPrecision

  private static let counts = [1, 2, 4, 8, 16, 32]
  private static let tokens = 48

  func run(_ report: inout BenchmarkReport) async throws {
    let model = try await LocalLanguageModel.load(
      gguf: path,
      options: .init(
        threads: report.options.threads,
        contextLength: 512,
        maximumConcurrentSequences: 32,
        precision: precision,
        speculation: .off
      )
    )
    for count in Self.counts {
      var values: [Double] = []
      var meter = NoiseMeter()
      for repetition in 0..<report.options.reps + 1 {
        let throughput = try await throughput(model, count)
        // The first round warms up.
        if repetition == 0 { meter = NoiseMeter() } else { values.append(throughput) }
      }
      report.add(
        "batch-\(count)",
        "throughput",
        "tok/s",
        BenchmarkSample(values: values.sorted(), othersCPUs: meter.othersCPUs()),
        parameters: ["sequences": "\(count)", "precision": "\(precision)"]
      )
    }
    await model.shutdown()
  }

  /// Tokens a second of all sequences together, while all are being decoded.
  private func throughput(_ model: LocalLanguageModel, _ count: Int) async throws -> Double {
    try await withThrowingTaskGroup(of: Double.self) { group in
      for number in 0..<count {
        group.addTask {
          // Drawn hot, so that no answer ends early by itself.
          let options = try GenerationOptions(maxTokens: Self.tokens, temperature: 2, seed: UInt64(number))
          let request = InferenceRequest(
            prompt: .text("Story number \(number), which is long:"),
            options: options,
            context: RequestContext(tenant: "bench")
          )
          let time = try await model.respond(to: request).summary.usage.timePerToken
          return time.map { 1 / ($0 / .seconds(1)) } ?? 0
        }
      }
      return try await group.reduce(0, +)
    }
  }
}
