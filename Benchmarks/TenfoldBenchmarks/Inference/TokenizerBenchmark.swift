// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Tenfold

/// How fast does a vocabulary turn text into tokens and back, and how soon is it there? Peers: Hugging Face's tokenizers and
/// llama.cpp on the same documents.
///
/// One thread encodes documents of some 4,000 bytes, all of them different, one call each. Cold, the tokenizer is new and has
/// met no word; warm, it has encoded the same documents once before. Every repetition has a tokenizer of its own.
struct TokenizerBenchmark {
  /// A vocabulary, and how it is read.
  struct Vocabulary {
    let name: String
    let make: () throws -> any Tokenizer
  }

  let vocabularies: [Vocabulary]
  let texts: [TokenizerText]

  func run(_ report: inout BenchmarkReport) throws {
    for vocabulary in vocabularies {
      let load = try BenchmarkSample.take(report.options.reps) {
        try BenchmarkSample.seconds { _ = try vocabulary.make() } * 1e3
      }
      report.add(vocabulary.name, "load", "ms", load, target: .atMost(30))
      for text in texts { try run(vocabulary, text, &report) }
    }
  }

  private func run(_ vocabulary: Vocabulary, _ text: TokenizerText, _ report: inout BenchmarkReport) throws {
    let bytes = text.documents.reduce(0) { $0 + $1.utf8.count }
    var figures: [String: [Double]] = [:]
    var tokens = 0
    // Where no document is, no time is taken.
    guard bytes > 0 else { return }
    let meter = NoiseMeter()
    for _ in 0..<report.options.reps {
      let tokenizer = try vocabulary.make()
      var ids: [[Int32]] = []
      ids.reserveCapacity(text.documents.count)
      let cold = BenchmarkSample.seconds {
        for document in text.documents { ids.append(tokenizer.encode(document)) }
      }
      tokens = 0
      let warm = BenchmarkSample.seconds {
        for document in text.documents { tokens += tokenizer.encode(document).count }
      }
      var decoded = 0
      let decode = BenchmarkSample.seconds {
        for document in ids { decoded += tokenizer.decode(document).utf8.count }
      }
      figures["encode cold", default: []].append(Double(bytes) / 1e6 / cold)
      figures["encode warm", default: []].append(Double(bytes) / 1e6 / warm)
      figures["decode", default: []].append(Double(decoded) / 1e6 / decode)
    }
    let others = meter.othersCPUs()
    for metric in ["encode cold", "encode warm", "decode"] {
      report.add(
        "\(vocabulary.name)-\(text.name)",
        metric,
        "MB/s",
        BenchmarkSample(values: (figures[metric] ?? []).sorted(), othersCPUs: others),
        parameters: [
          "bytes": "\(bytes)", "documents": "\(text.documents.count)", "tokens": "\(tokens)",
          "text": text.name,
        ],
        target: metric == "decode" ? nil : .atLeast(20)
      )
    }
  }
}

extension TokenizerBenchmark.Vocabulary {
  /// The vocabularies of a model: that of a GGUF file, or a `vocab.txt` as cased and as uncased models read it.
  ///
  /// - Parameters:
  ///   - name: The model's name, as shown.
  ///   - path: A file or a directory that holds one.
  /// - Returns: One vocabulary, or two.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/missing`` where a directory holds no or several GGUF files.
  static func all(_ name: String, path: String) throws -> [Self] {
    let list = path.hasSuffix(".txt") ? path : path + "/vocab.txt"
    if FileManager.default.fileExists(atPath: list) {
      return [("uncased", false), ("cased", true)].map { suffix, isCased in
        Self(name: "\(name)-\(suffix)") {
          try WordPieceTokenizer(path: list, options: .init(isCased: isCased))
        }
      }
    }
    let file = try DecoderBenchmark(path: path, precision: .standard).filePath()
    return [Self(name: name) { try GGUFFile(path: file).metadata.makeTokenizer() }]
  }
}
