// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Tenfold

/// How long does MiniLM take for texts of given lengths? Peer: ONNX Runtime on the same token ids.
struct EncoderBenchmark {
  let directory: String

  /// 32 lengths as in a retrieval workload: log-normal, mean about 48 tokens, from a fixed generator.
  private static let mixedLengths = [
    120, 26, 37, 49, 21, 37, 37, 11, 74, 55, 24, 38, 51, 24, 34, 12, 25, 88, 37, 31, 40, 9, 41, 75, 62, 40,
    28, 36, 93,
    68, 43, 30,
  ]

  func run(_ report: inout BenchmarkReport) throws {
    let file = try SafetensorsFile(path: directory + "/model.safetensors")
    for precision in [EncoderPrecision.int8, .int8Reduced, .float32] {
      let load = try BenchmarkSample.take(1) {
        try BenchmarkSample.seconds {
          _ = try BERTEncoder(weights: file, options: .init(precision: precision))
        } * 1e3
      }
      let parameters = ["precision": "\(precision)"]
      report.add("encoder-\(precision)-load", "time", "ms", load, parameters: parameters)
      let encoder = try BERTEncoder(weights: file, options: .init(precision: precision))
      let runner = try EncoderRunner(encoder, stepTokens: 2_048, threads: report.options.threads)
      for length in [16, 64, 128, 256] {
        let text = Self.ids(length)
        let sample = try measure(report.options.reps) { _ = try runner.embed([text]) }
        report.add("encoder-\(precision)-\(length)", "time", "ms", sample, parameters: parameters)
      }
      let mixed = Self.mixedLengths.map(Self.ids)
      let sample = try measure(report.options.reps) { _ = try runner.embed(mixed) }
      report.add("encoder-\(precision)-mixed32", "time", "ms", sample, parameters: parameters)
    }
  }

  /// Milliseconds of one call: each repetition is the median of calls during a fifth of a second.
  private func measure(_ repetitions: Int, _ body: () throws -> Void) rethrows -> BenchmarkSample {
    try BenchmarkSample.take(repetitions) {
      var times: [Double] = []
      var total = 0.0
      while total < 0.2 || times.count < 3 {
        let time = try BenchmarkSample.seconds(body)
        times.append(time)
        total += time
      }
      times.sort()
      return times[times.count / 2] * 1e3
    }
  }

  private static func ids(_ count: Int) -> [Int32] {
    [101] + (0..<count - 2).map { Int32(2_000 + ($0 * 37) % 20_000) } + [102]
  }
}
