// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Tenfold

/// How long do readers wait when requests come at a given rate? Peer: llama.cpp's server under the same arrivals.
///
/// Open loop: arrivals are a Poisson process that does not wait for answers, so that queueing shows. Prompts have 20 to
/// 600 words, most of them few; answers 8 to 64 tokens; three tenants share the engine.
struct LoadBenchmark {
  let path: String
  let precision: DecoderPrecision
  /// Requests a second.
  let rates: [Double]

  private static let words = ["stone", "cloud", "paper", "glass", "field", "light", "metal", "voice"]

  private struct Arrival: Sendable {
    var number: Int
    var wait: Duration
    var words: Int
    var tokens: Int
  }

  func run(_ report: inout BenchmarkReport) async throws {
    for rate in rates {
      let model = try await LocalLanguageModel.load(
        gguf: path,
        options: .init(threads: report.options.threads, contextLength: 2_048, precision: precision)
      )
      _ = try await answer(model, Arrival(number: -1, wait: .zero, words: 50, tokens: 8))
      let meter = NoiseMeter()
      let start = ContinuousClock.now
      let usages = try await replay(model, Self.arrivals(rate: rate, count: 20 * report.options.reps))
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      let others = meter.othersCPUs()
      await model.shutdown()
      func add(_ metric: String, _ unit: String, _ values: [Double]) {
        report.add(
          "load-\(BenchmarkReport.short(rate))/s",
          metric,
          unit,
          BenchmarkSample(values: values.sorted(), othersCPUs: others),
          parameters: ["rate": "\(rate)", "requests": "\(usages.count)", "precision": "\(precision)"]
        )
      }
      add("first token", "ms", usages.map { $0.timeToFirstToken / .milliseconds(1) })
      add("time per token", "ms", usages.compactMap(\.timePerToken).map { $0 / .milliseconds(1) })
      add("queue", "ms", usages.map { $0.queueTime / .milliseconds(1) })
      add("throughput", "tok/s", [Double(usages.reduce(0) { $0 + $1.completionTokens }) / seconds])
    }
  }

  private func replay(_ model: LocalLanguageModel, _ arrivals: [Arrival]) async throws -> [TokenUsage] {
    try await withThrowingTaskGroup(of: TokenUsage.self) { group in
      var due = ContinuousClock.now
      for arrival in arrivals {
        due += arrival.wait
        try await Task.sleep(until: due)
        group.addTask { try await answer(model, arrival) }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
  }

  private func answer(_ model: LocalLanguageModel, _ arrival: Arrival) async throws -> TokenUsage {
    let text = (0..<arrival.words)
      .map { Self.words[($0 * 5 + arrival.number &* 11 + $0 / 7) & 7] }
      .joined(separator: " ")
    let request = InferenceRequest(
      prompt: .text("\(arrival.number): \(text)"),
      options: try GenerationOptions(maxTokens: arrival.tokens, temperature: 1, seed: 7),
      context: RequestContext(tenant: TenantID("tenant-\(abs(arrival.number % 3))"))
    )
    return try await model.respond(to: request).summary.usage
  }

  /// The same arrivals each time: exponential gaps, and lengths that are skewed as people's are.
  private static func arrivals(rate: Double, count: Int) -> [Arrival] {
    var state: UInt64 = 0x2545_F491_4F6C_DD1D
    func unit() -> Double {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return Double(state >> 11) * 0x1p-53
    }
    return (0..<count).map { number in
      let gap = -log(1 - unit()) / rate
      let skew = unit()
      return Arrival(
        number: number,
        wait: .seconds(number == 0 ? 0 : gap),
        words: 20 + Int(580 * skew * skew * skew),
        tokens: 8 + Int(56 * unit())
      )
    }
  }
}
