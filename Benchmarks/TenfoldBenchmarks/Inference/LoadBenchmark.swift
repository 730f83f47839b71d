// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Tenfold

/// How long do readers wait when requests come at a given rate? Peer: llama.cpp's server under the same arrivals.
///
/// Open loop: ``LoadTraffic`` does not wait for answers, so that queueing shows.
struct LoadBenchmark {
  let path: String
  let precision: DecoderPrecision
  /// Requests a second.
  let rates: [Double]

  func run(_ report: inout BenchmarkReport) async throws {
    for rate in rates {
      let model = try await LocalLanguageModel.load(
        gguf: path,
        options: .init(threads: report.options.threads, contextLength: 2_048, precision: precision)
      )
      _ = try await LoadTraffic.answer(model, .init(number: -1, wait: .zero, words: 50, tokens: 8))
      let meter = NoiseMeter()
      let start = ContinuousClock.now
      let usages = try await replay(model, LoadTraffic(rate: rate).prefix(20 * report.options.reps))
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

  private func replay(
    _ model: LocalLanguageModel,
    _ arrivals: some Sequence<LoadTraffic.Arrival>
  ) async throws -> [TokenUsage] {
    try await withThrowingTaskGroup(of: TokenUsage.self) { group in
      var due = ContinuousClock.now
      for arrival in arrivals {
        due += arrival.wait
        try await Task.sleep(until: due)
        group.addTask { try await LoadTraffic.answer(model, arrival) }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
  }
}
