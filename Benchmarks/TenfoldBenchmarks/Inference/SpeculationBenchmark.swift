// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Tenfold

/// What does guessing tokens save, and what does it cost where nothing can be guessed? Peer: the same engine without.
struct SpeculationBenchmark {
  let path: String
  /// The file of a draft model.
  let draft: String?
  let precision: DecoderPrecision

  private static let tasks = [
    (
      "edit",
      """
      Repeat this text and change the word "harbour" to "port" everywhere: The old harbour lies north of the town. \
      Ships enter the harbour at high tide, and the harbour master writes down each ship's name, its captain's name \
      and its cargo. When the tide falls, the harbour is closed until the evening. The harbour has two cranes, one \
      for grain and one for coal, and a small house in which the harbour master lives.
      """
    ),
    (
      "extract",
      """
      Copy every line that has a number: "Order 17 was sent to Anna Berg." "The weather was fine." "Order 18 was sent \
      to Carl Berg." "Nobody called." "Order 19 was sent to Dora Berg." "Order 20 was sent to Emil Berg."
      """
    ),
    ("story", "Write a story about a lighthouse keeper who finds a letter."),
    ("code", "Write a Python class for a binary search tree with insert, delete and in-order traversal."),
  ]

  /// What was measured of one way of guessing.
  private struct Record {
    var answers: Set<String> = []
    var speeds: [Double] = []
    var drafted = 0
    var accepted = 0
    /// Passes of the draft model.
    var draftPasses = 0
  }

  func run(_ report: inout BenchmarkReport) async throws {
    var ways: [(name: String, speculation: DecoderSpeculation)] = [("off", .off), ("on", .promptLookup)]
    if let draft {
      let model = try await DraftModel.load(gguf: draft)
      ways.append(("draft", .draftModel(model, promptLookup: false)))
      ways.append(("on with draft", .draftModel(model)))
    }
    // One model at a time: of several in memory, some read their weights a fifth faster than others.
    var records = Self.tasks.map { _ in ways.map { (name: $0.name, record: Record()) } }
    for (way, (_, speculation)) in ways.enumerated() {
      let model = try await load(speculation, report.options.threads)
      for (task, (_, prompt)) in Self.tasks.enumerated() {
        for repetition in 0..<report.options.reps + 1 {
          try await measure(prompt, model, isWarmUp: repetition == 0, &records[task][way].record)
        }
      }
      await model.shutdown()
    }
    for (task, records) in zip(Self.tasks, records) { try add(task.0, records, &report) }
  }

  private func load(_ speculation: DecoderSpeculation, _ threads: Int?) async throws -> LocalLanguageModel {
    try await LocalLanguageModel.load(
      gguf: path,
      options: .init(threads: threads, contextLength: 2_048, precision: precision, speculation: speculation)
    )
  }

  private func measure(
    _ prompt: String,
    _ model: LocalLanguageModel,
    isWarmUp: Bool,
    _ record: inout Record
  ) async throws {
    let passes = model.statistics.draftPasses
    let request = InferenceRequest(prompt, tenant: "bench", options: try GenerationOptions(maxTokens: 160))
    let completion = try await model.respond(to: request)
    record.answers.insert(completion.text)
    let usage = completion.summary.usage
    guard !isWarmUp, let time = usage.timePerToken else { return }
    record.speeds.append(1 / (time / .seconds(1)))
    record.drafted += usage.draftedTokens
    record.accepted += usage.acceptedTokens
    record.draftPasses += model.statistics.draftPasses - passes
  }

  private func add(
    _ task: String,
    _ records: [(name: String, record: Record)],
    _ report: inout BenchmarkReport
  ) throws {
    let name = "speculation-\(task)"
    let isSame = Set(records.flatMap(\.record.answers)).count == 1
    for (way, record) in records {
      let speeds = BenchmarkSample(values: record.speeds.sorted(), othersCPUs: nil)
      report.add(name, way, "tok/s", speeds)
      guard way != "off", let plain = records.first?.record else { continue }
      let ratios = zip(record.speeds, plain.speeds).map { $0 / $1 }.sorted()
      report.add(
        name,
        "\(way)/off",
        "x",
        BenchmarkSample(values: ratios, othersCPUs: nil),
        parameters: ["same_answers": "\(isSame)", "precision": "\(precision)"]
      )
      guard record.drafted > 0 || record.draftPasses > 0 else { continue }
      let share = 100 * Double(record.accepted) / Double(max(1, record.drafted))
      report.add(
        name,
        "\(way): came true",
        "%",
        BenchmarkSample(values: [share], othersCPUs: nil),
        parameters: ["drafted": "\(record.drafted)", "draft_passes": "\(record.draftPasses)"]
      )
    }
    guard isSame else {
      throw ModelError(.invalidOption, "The answers to \(task) differ; this is a defect.")
    }
  }
}
