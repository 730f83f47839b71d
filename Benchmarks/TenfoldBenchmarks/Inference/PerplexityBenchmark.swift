// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Tenfold

/// How well does a model predict a text? Peer: llama.cpp on the same file, with the same windows.
///
/// The text is cut into windows of 512 tokens that don't see each other; the first token of each is given.
struct PerplexityBenchmark {
  let path: String
  let text: String

  private static let window = 512
  private static let mostWindows = 64

  func run(_ report: inout BenchmarkReport) throws {
    let file = try GGUFFile(path: path)
    let tokenizer = try BytePairTokenizer(metadata: file.metadata)
    let tokens = tokenizer.encode(try String(contentsOfFile: text, encoding: .utf8))
    guard tokens.count > 1 else {
      throw ModelError(.invalidOption, "\(text) has \(tokens.count) tokens; at least 2 are needed.")
    }
    let model = try DecoderModel(file)
    let length = min(Self.window, model.configuration.contextLength)
    for (name, precision, keyValuePrecision) in [
      ("high", DecoderPrecision.high, KeyValuePrecision.float16), ("standard", .standard, .float16),
      ("high-kv-int8", .high, .int8),
    ] {
      let session = try DecoderSession(
        model,
        contextLength: length,
        threads: report.options.threads,
        precision: precision,
        keyValuePrecision: keyValuePrecision
      )
      var (sum, count) = (0.0, 0)
      for start in stride(from: 0, to: tokens.count - 1, by: length).prefix(Self.mostWindows) {
        session.rewind()
        let losses = try session.negativeLogLikelihoods(
          of: Array(tokens[start..<min(tokens.count, start + length)])
        )
        sum += losses.reduce(0, +)
        count += losses.count
      }
      report.add(
        "perplexity-\(name)",
        "perplexity",
        "",
        BenchmarkSample(values: [exp(sum / Double(count))], othersCPUs: nil),
        parameters: ["tokens": "\(count)", "window": "\(length)"]
      )
    }
  }
}
