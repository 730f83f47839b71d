// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Tenfold

/// How long does a new process take to its first token, and what does it hold then? Peer: llama.cpp's first token.
///
/// Each repetition is a process of its own that loads the model, answers with one token and tells its figures; the file
/// is in the page cache after the first, which does not count. It is done again with packed weights kept in a file, which
/// the first repetition writes.
struct ColdStartBenchmark {
  let path: String
  let precision: DecoderPrecision

  func run(_ report: inout BenchmarkReport) throws {
    try run("cold-start", arguments: [], &report)
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try run("cold-start-packed", arguments: ["--packed", folder], &report)
  }

  private func run(_ name: String, arguments: [String], _ report: inout BenchmarkReport) throws {
    guard let executable = Bundle.main.executableURL else { return }
    var times: [Double] = []
    var figures: [String: [Double]] = [:]
    let meter = NoiseMeter()
    for repetition in 0..<report.options.reps + 1 {
      let process = Process()
      process.executableURL = executable
      process.arguments =
        [
          "cold-start", path, "--threads", "\(report.options.threads)", "--precision", "\(precision)",
        ] + arguments
      let pipe = Pipe()
      process.standardOutput = pipe
      let start = ContinuousClock.now
      try process.run()
      let first = pipe.fileHandleForReading.availableData
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      let output = first + pipe.fileHandleForReading.readDataToEndOfFile()
      process.waitUntilExit()
      guard process.terminationStatus == 0, repetition > 0 else { continue }
      times.append(seconds * 1e3)
      for (name, value) in ChildFigures.read(String(decoding: output, as: UTF8.self)) {
        figures[name, default: []].append(value)
      }
    }
    func add(_ metric: String, _ unit: String, _ values: [Double]) {
      guard !values.isEmpty else { return }
      report.add(
        name,
        metric,
        unit,
        BenchmarkSample(values: values.sorted(), othersCPUs: unit == "ms" ? meter.othersCPUs() : nil)
      )
    }
    add("to first token", "ms", times)
    add("weights", "MB", figures["weights"] ?? [])
    add("RSS", "MB", figures["rss"] ?? [])
    add("peak RSS", "MB", figures["peak"] ?? [])
  }
}

/// The process that ``ColdStartBenchmark`` starts.
struct ColdStartCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cold-start",
    abstract: "Answers with one token and tells its memory; for the inference suite's cold start.",
    shouldDisplay: false
  )

  @Argument var path: String
  @Option var threads = 1
  @Option var precision = PrecisionArgument.standard
  @Option var packed: String?

  func run() async throws {
    let model = try await LocalLanguageModel.load(
      gguf: path,
      options: .init(
        threads: threads,
        packedWeights: packed.map { .folder($0) } ?? .off,
        precision: precision.value
      )
    )
    let request = InferenceRequest("Hello", tenant: "bench", options: try GenerationOptions(maxTokens: 1))
    _ = try await model.respond(to: request)
    // The parent stops its clock at the first byte.
    ChildFigures.tell("weights", Double(model.model.streamedByteCount) / 1e6)
    ChildFigures.tellMemory()
    await model.shutdown()
  }
}
