// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Tenfold

struct InferenceCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inference",
    abstract: "Measures the text encoder, the decoders and the engine.",
    discussion: """
      encoder: one text of 16, 64, 128 and 256 tokens, and 32 texts of mixed lengths, in int8 and in floats.
      prefill: 128 and 512 tokens at once. decode: 128 tokens one by one from an empty context. depth: 32 tokens one by \
      one after 0, 1,024 and 4,096. Token ids are fixed and nothing is sampled.
      batch: 1 to 32 answers at once. load: arrivals at given rates, whether the engine keeps up or not. \
      soak: minutes of them at 80 % of what it can do.
      prefix: the time to the first token of a prompt of which 90 % was seen before, and a replay of conversations.
      structured: decoding within a JSON schema beside decoding freely. speculation: guessing tokens beside making them \
      one by one, with --draft also with a draft model. cold-start: from the start of a process to its first token, and its memory. \
      resident: memory of a process with --model and --draft, or the store's two decoders, and the encoder.
      perplexity: how well a text is predicted, in each precision; it needs --perplexity FILE, which alone runs nothing \
      else.
      tokenizer: megabytes a second into tokens, cold and warm, and back, and the time to load a vocabulary; of --model, which \
      may be a vocab.txt, or of the models in the store. Its texts are made up: prose, code and mixed writing; or those of \
      --text.
      Of the precisions, standard rounds activations as llama.cpp does and is the engine's default; high is up to twice \
      the arithmetic.
      """
  )

  enum Case: String, CaseIterable, ExpressibleByArgument {
    case encoder, prefill, decode, depth, batch, load, soak, prefix, structured, speculation, perplexity,
      tokenizer, resident
    case coldStart = "cold-start"
  }

  @Option(
    name: .customLong("case"),
    help: "What to measure: \(Case.allCases.map(\.rawValue).joined(separator: ", "))."
  )
  var cases: [Case] = []

  @Option(help: "A model file or directory, or a model's name in the store that TENFOLD_MODELS names.")
  var model: String?

  @Option(
    help: "A smaller model of the same vocabulary that drafts in the speculation case, named as --model is."
  )
  var draft: String?

  @Option(help: "The encoder's folder for the resident case, or its name in the store.")
  var encoder = "all-MiniLM-L6-v2"

  @Option(help: "A text whose perplexity is measured.")
  var perplexity: String?

  @Option(parsing: .upToNextOption, help: "UTF-8 text files for the tokenizer case.")
  var text: [String] = []

  @Option(help: "How finely activations are rounded.")
  var precision = PrecisionArgument.standard

  @Option(parsing: .upToNextOption, help: "Arrivals a second for the load case.")
  var rate = [1.0, 2, 4]

  @Option(help: "Minutes of the soak case.")
  var minutes = 10

  @OptionGroup var options: BenchmarkOptions

  func validate() throws {
    guard rate.allSatisfy({ $0 > 0 && $0 <= 1e4 }) else {
      throw ValidationError("--rate must be in 0...10000.")
    }
    guard (1...10_000).contains(minutes) else {
      throw ValidationError("--minutes must be in 1...10000.")
    }
    guard perplexity != nil || !cases.contains(.perplexity) else {
      throw ValidationError("The perplexity case needs --perplexity FILE.")
    }
  }

  func run() async throws {
    var report = BenchmarkReport(suite: "inference", options: options)
    var cases = cases
    if perplexity != nil, !cases.contains(.perplexity) { cases.append(.perplexity) }
    if cases.isEmpty { cases = [.encoder] }
    for item in cases { try await run(item, &report) }
    try report.finish()
  }

  private func run(_ item: Case, _ report: inout BenchmarkReport) async throws {
    switch item {
    case .encoder: try EncoderBenchmark(directory: path(default: "all-MiniLM-L6-v2")).run(&report)
    case .tokenizer: try tokenizer().run(&report)
    case .resident: try resident().run(&report)
    default: try await runDecoder(item, &report)
    }
  }

  private func runDecoder(_ item: Case, _ report: inout BenchmarkReport) async throws {
    let decoder = DecoderBenchmark(
      path: try path(default: "SmolLM2-135M-Instruct"),
      precision: precision.value
    )
    let file = try decoder.filePath()
    switch item {
    case .encoder, .tokenizer, .resident: break
    case .prefill, .decode: try decoder.run(&report, decodes: item == .decode)
    case .depth: try DepthBenchmark(path: file, precision: precision.value).run(&report)
    case .batch: try await BatchBenchmark(path: file, precision: precision.value).run(&report)
    case .load: try await LoadBenchmark(path: file, precision: precision.value, rates: rate).run(&report)
    case .soak: try await SoakBenchmark(path: file, precision: precision.value, minutes: minutes).run(&report)
    case .prefix: try await PrefixBenchmark(path: file, precision: precision.value).run(&report)
    case .structured: try await StructuredBenchmark(path: file, precision: precision.value).run(&report)
    case .speculation:
      let draft = try draft.map { name in
        try DecoderBenchmark(path: path(of: name), precision: precision.value).filePath()
      }
      try await SpeculationBenchmark(path: file, draft: draft, precision: precision.value).run(&report)
    case .coldStart: try ColdStartBenchmark(path: file, precision: precision.value).run(&report)
    case .perplexity:
      guard let perplexity else { return }
      try PerplexityBenchmark(path: file, text: perplexity).run(&report)
    }
  }

  private func resident() throws -> ResidentBenchmark {
    let names = [model, draft].compactMap(\.self)
    let decoders = names.isEmpty ? ["SmolLM2-135M-Instruct", "Qwen2.5-Coder-0.5B-Instruct"] : names
    return ResidentBenchmark(
      decoders: try decoders.map {
        try DecoderBenchmark(path: path(of: $0), precision: precision.value).filePath()
      },
      encoder: try path(of: encoder),
      precision: precision.value
    )
  }

  private func tokenizer() throws -> TokenizerBenchmark {
    let names =
      model.map { [$0] } ?? ["SmolLM2-135M-Instruct", "Qwen2.5-Coder-0.5B-Instruct", "all-MiniLM-L6-v2"]
    let vocabularies = try names.flatMap { name in
      let path = try path(of: name)
      // Of a long name, what comes before the size.
      let shown = URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent
      return try TokenizerBenchmark.Vocabulary.all(String(shown.prefix(12)), path: path)
    }
    return TokenizerBenchmark(
      vocabularies: vocabularies,
      texts: try text.isEmpty ? TokenizerText.made : text.map { try TokenizerText(file: $0) }
    )
  }

  /// A path as given, or the folder of that name in the store.
  private func path(default name: String) throws -> String { try path(of: model ?? name) }

  private func path(of name: String) throws -> String {
    if FileManager.default.fileExists(atPath: name) { return name }
    let root = ProcessInfo.processInfo.environment["TENFOLD_MODELS"] ?? ""
    let stored = root + "/files/" + name
    guard !root.isEmpty, FileManager.default.fileExists(atPath: stored) else {
      throw ValidationError(
        "No model at \(name)\(root.isEmpty ? "" : " or \(stored)"): give its path, or set TENFOLD_MODELS to a store."
      )
    }
    return stored
  }
}

/// A precision as an argument.
enum PrecisionArgument: String, CaseIterable, ExpressibleByArgument {
  case high, standard

  var value: DecoderPrecision {
    switch self {
    case .high: .high
    case .standard: .standard
    }
  }
}
