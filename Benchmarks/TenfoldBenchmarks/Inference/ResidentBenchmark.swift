// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Tenfold

/// What does a process hold that serves several decoders and the text encoder? In a process of its own, which answers and
/// embeds before it tells.
///
/// Beside it stands what it needs at least: the bytes of the models' files, and the keys and values of the tokens that it
/// computed. The target is 1.1 times both and 100 MB.
struct ResidentBenchmark {
  struct Failure: Error, CustomStringConvertible {
    var description: String
  }

  let decoders: [String]
  let encoder: String
  let precision: DecoderPrecision

  func run(_ report: inout BenchmarkReport) throws {
    guard let executable = Bundle.main.executableURL else {
      throw Failure(description: "this program doesn't know where it is")
    }
    let process = Process()
    process.executableURL = executable
    process.arguments =
      ["resident"] + decoders
      + ["--encoder", encoder, "--threads", "\(report.options.threads)", "--precision", "\(precision)"]
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    guard process.terminationReason == .exit, process.terminationStatus == 0 else {
      let end = process.terminationReason == .exit ? "ended with status" : "was killed by signal"
      throw Failure(description: "the process that loads the models \(end) \(process.terminationStatus)")
    }
    let figures = ChildFigures.read(String(decoding: output, as: UTF8.self))
    guard let files = figures["files"], let held = figures["keys-values"], let resident = figures["rss"]
    else {
      throw Failure(description: "the process that loads the models can't tell its memory, which needs /proc")
    }
    func add(_ metric: String, _ value: Double, target: BenchmarkTarget? = nil) {
      report.add(
        "resident",
        metric,
        "MB",
        BenchmarkSample(values: [value], othersCPUs: nil),
        target: target
      )
    }
    add("models' files", files)
    add("keys and values", held)
    add("RSS", resident, target: .atMost(1.1 * (files + held) + 100))
    if let peak = figures["peak"] { add("peak RSS", peak) }
  }
}

/// The process that ``ResidentBenchmark`` starts.
struct ResidentCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "resident",
    abstract:
      "Loads decoders and the encoder, uses them and tells its memory; for the inference suite's resident case.",
    shouldDisplay: false
  )

  @Argument var decoders: [String]
  @Option var encoder: String
  @Option var threads = 1
  @Option var precision = PrecisionArgument.standard

  func run() async throws {
    var models: [LocalLanguageModel] = []
    for path in decoders {
      let options = LocalLanguageModel.Options(threads: threads, precision: precision.value)
      models.append(try await LocalLanguageModel.load(gguf: path, options: options))
    }
    let embedder = try await MiniLMEmbedder.load(modelDirectory: encoder, options: .init(threads: threads))
    let text = String(repeating: "The archive keeps letters, maps and seeds of every valley. ", count: 8)
    _ = try await embedder.embed((0..<64).map { "\($0): \(text)" })
    var held = 0.0
    for model in models {
      try await withThrowingTaskGroup { group in
        for index in 0..<8 {
          group.addTask {
            let options = try GenerationOptions(maxTokens: 64)
            _ = try await model.respond(
              to: InferenceRequest("\(index): \(text)", tenant: "bench", options: options)
            )
          }
        }
        try await group.waitForAll()
      }
      let statistics = model.statistics
      // One too many for each answer, whose last token has none.
      let tokens = statistics.promptTokens - statistics.cachedPromptTokens + statistics.generatedTokens
      held += Double(tokens * keyValueBytes(model.model.configuration))
    }
    let files = try (decoders + [encoder + "/model.safetensors"]).reduce(0) {
      // A store's models are links.
      let path = URL(fileURLWithPath: $1).resolvingSymlinksInPath().path
      guard let size = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int else {
        throw ResidentBenchmark.Failure(description: "\(path) has no size")
      }
      return $0 + size
    }
    ChildFigures.tell("files", Double(files) / 1e6)
    ChildFigures.tell("keys-values", held / 1e6)
    ChildFigures.tellMemory()
    for model in models { await model.shutdown() }
    await embedder.shutdown()
  }

  /// Bytes of a token's keys and values in 16 bits.
  private func keyValueBytes(_ configuration: DecoderConfiguration) -> Int {
    2 * 2 * configuration.blockCount * configuration.keyValueHeadCount * configuration.headLength
  }
}
