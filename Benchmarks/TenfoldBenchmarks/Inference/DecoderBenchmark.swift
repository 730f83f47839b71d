// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Tenfold

/// How fast does a decoder read a prompt and write an answer? Peer: llama.cpp with the same token ids.
struct DecoderBenchmark {
  let path: String
  let precision: DecoderPrecision

  func run(_ report: inout BenchmarkReport, decodes: Bool) throws {
    var model: DecoderModel?
    let file = try GGUFFile(path: filePath())
    let load = try BenchmarkSample.seconds { model = try DecoderModel(file) }
    guard let model else { return }
    report.add("load", "time", "ms", BenchmarkSample(values: [load * 1e3], othersCPUs: nil))
    let session = try DecoderSession(
      model,
      contextLength: 1_024,
      threads: report.options.threads,
      precision: precision
    )
    let parameters = ["depth": "0", "precision": "\(precision)"]
    let vocabulary = model.vocabularySize
    func token(_ index: Int) -> Int32 { Int32(100 + (index * 7_919) % (vocabulary - 200)) }
    if decodes {
      let sample = try BenchmarkSample.take(report.options.reps) {
        session.rewind()
        let time = try BenchmarkSample.seconds {
          for index in 0..<128 { try session.evaluate([token(index)]) { _ in } }
        }
        return 128 / time
      }
      report.add("tg128", "throughput", "tok/s", sample, parameters: parameters)
    } else {
      for count in [128, 512] {
        let tokens = (0..<count).map(token)
        let sample = try BenchmarkSample.take(report.options.reps) {
          session.rewind()
          return Double(count) / (try BenchmarkSample.seconds { try session.evaluate(tokens) { _ in } })
        }
        report.add("pp\(count)", "throughput", "tok/s", sample, parameters: parameters)
      }
    }
  }

  /// The file itself, or the only GGUF file of a directory.
  func filePath() throws -> String {
    var isDirectory: ObjCBool = false
    _ = unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory)
    guard isDirectory.boolValue else { return path }
    let files = try FileManager.default.contentsOfDirectory(atPath: path).filter { $0.hasSuffix(".gguf") }
    guard files.count == 1, let file = files.first else {
      throw ModelError(.missing, "\(path) holds \(files.count) GGUF files; name one of them.")
    }
    return path + "/" + file
  }
}
