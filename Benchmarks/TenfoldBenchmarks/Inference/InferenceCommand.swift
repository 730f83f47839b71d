// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation

struct InferenceCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inference",
    abstract: "Measures the text encoder and the decoders.",
    discussion: """
      encoder: one text of 16, 64, 128 and 256 tokens, and 32 texts of mixed lengths, in int8 and in floats.
      prefill: 128 and 512 tokens at once. decode: 128 tokens one by one from an empty context.
      Token ids are fixed and nothing is sampled.
      prefix: the time to the first token of a prompt of which 90 % was seen before, and a replay of conversations.
      structured: decoding within a JSON schema beside decoding freely.
      """
  )

  enum Case: String, CaseIterable, ExpressibleByArgument {
    case encoder, prefill, decode, prefix, structured
  }

  @Option(
    name: .customLong("case"),
    help: "What to measure: \(Case.allCases.map(\.rawValue).joined(separator: ", "))."
  )
  var cases: [Case] = [.encoder]

  @Option(help: "A model file or directory, or a model's name in the store that TENFOLD_MODELS names.")
  var model: String?

  @OptionGroup var options: BenchmarkOptions

  func run() async throws {
    var report = BenchmarkReport(suite: "inference", options: options)
    for item in cases {
      switch item {
      case .encoder:
        try EncoderBenchmark(directory: path(default: "all-MiniLM-L6-v2")).run(&report)
      case .prefix:
        let file = try DecoderBenchmark(path: path(default: "SmolLM2-135M-Instruct")).filePath()
        try await PrefixBenchmark(path: file).run(&report)
      case .structured:
        let file = try DecoderBenchmark(path: path(default: "SmolLM2-135M-Instruct")).filePath()
        try await StructuredBenchmark(path: file).run(&report)
      case .prefill, .decode:
        try DecoderBenchmark(path: path(default: "SmolLM2-135M-Instruct")).run(
          &report,
          decodes: item == .decode
        )
      }
    }
    try report.finish()
  }

  /// A path as given, or the folder of that name in the store.
  private func path(default name: String) throws -> String {
    let name = model ?? name
    if FileManager.default.fileExists(atPath: name) { return name }
    let root = ProcessInfo.processInfo.environment["TENFOLD_MODELS"] ?? ""
    let stored = root + "/files/" + name
    guard !root.isEmpty, FileManager.default.fileExists(atPath: stored) else {
      throw ValidationError(
        "No model at \(name)\(root.isEmpty ? "" : " or \(stored)"): give --model PATH, or set TENFOLD_MODELS to a store."
      )
    }
    return stored
  }
}
