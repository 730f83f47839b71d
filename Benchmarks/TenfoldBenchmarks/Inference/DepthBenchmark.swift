// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Tenfold

/// How much does a long context slow the next token down? Peer: llama.cpp at the same depths.
struct DepthBenchmark {
  let path: String
  let precision: DecoderPrecision

  private static let depths = [0, 1_024, 4_096]
  private static let tokens = 32

  func run(_ report: inout BenchmarkReport) throws {
    let model = try DecoderModel(GGUFFile(path: path))
    for keyValues in [KeyValuePrecision.float16, .int8] { try run(model, keyValues, &report) }
  }

  private func run(
    _ model: DecoderModel,
    _ keyValuePrecision: KeyValuePrecision,
    _ report: inout BenchmarkReport
  ) throws {
    let limit = model.configuration.contextLength
    let depths = Self.depths.filter { $0 + Self.tokens <= limit }
    let session = try DecoderSession(
      model,
      contextLength: min(limit, (depths.last ?? 0) + Self.tokens),
      threads: report.options.threads,
      precision: precision,
      keyValuePrecision: keyValuePrecision
    )
    let suffix = keyValuePrecision == .int8 ? "-kv-int8" : ""

    func parameters(_ depth: Int) -> [String: String] { ["depth": "\(depth)", "precision": "\(precision)"] }
    let vocabulary = model.vocabularySize
    func token(_ index: Int) -> Int32 { Int32(100 + (index * 7_919) % (vocabulary - 200)) }
    var atStart = Double.nan
    for depth in depths {
      // What the shallower depth has left is a part of the deeper one.
      session.rewind(to: min(depth, session.position))
      if depth > session.position {
        try session.evaluate((session.position..<depth).map(token)) { _ in }
      }
      let sample = try BenchmarkSample.take(report.options.reps) {
        session.rewind(to: depth)
        let time = try BenchmarkSample.seconds {
          for index in 0..<Self.tokens { try session.evaluate([token(depth + index)]) { _ in } }
        }
        return Double(Self.tokens) / time
      }
      if depth == 0 { atStart = sample.median }
      report.add("decode@\(depth)\(suffix)", "throughput", "tok/s", sample, parameters: parameters(depth))
      guard depth > 0 else { continue }
      let ratio = BenchmarkSample(values: [sample.median / atStart], othersCPUs: nil)
      report.add("decode@\(depth)\(suffix)", "of depth 0", "x", ratio, parameters: parameters(depth))
    }
  }
}
