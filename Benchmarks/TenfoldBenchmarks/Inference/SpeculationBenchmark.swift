// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Tenfold

/// What does guessing tokens save, and what does it cost where nothing can be guessed? Peer: the same engine without.
struct SpeculationBenchmark {
  let path: String
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
  ]

  func run(_ report: inout BenchmarkReport) async throws {
    var answers: [String: [String]] = [:]
    var speeds: [String: [Double]] = [:]
    for (name, speculation) in [("off", DecoderSpeculation.off), ("on", .promptLookup)] {
      let model = try await LocalLanguageModel.load(
        gguf: path,
        options: .init(
          threads: report.options.threads,
          contextLength: 2_048,
          precision: precision,
          speculation: speculation
        )
      )
      for (task, prompt) in Self.tasks {
        var (drafted, accepted) = (0, 0)
        for repetition in 0..<report.options.reps + 1 {
          let options = try GenerationOptions(maxTokens: 160)
          let request = InferenceRequest(prompt, tenant: "bench", options: options)
          let completion = try await model.respond(to: request)
          answers[task, default: []].append(completion.text)
          guard repetition > 0, let time = completion.summary.usage.timePerToken else { continue }
          speeds["\(task) \(name)", default: []].append(1 / (time / .seconds(1)))
          drafted += completion.summary.usage.draftedTokens
          accepted += completion.summary.usage.acceptedTokens
        }
        let sample = BenchmarkSample(values: (speeds["\(task) \(name)"] ?? []).sorted(), othersCPUs: nil)
        report.add("speculation-\(task)", name, "tok/s", sample)
        guard drafted > 0 else { continue }
        let share = BenchmarkSample(values: [100 * Double(accepted) / Double(drafted)], othersCPUs: nil)
        let parameters = ["drafted": "\(drafted)", "precision": "\(precision)"]
        report.add("speculation-\(task)", "came true", "%", share, parameters: parameters)
      }
      await model.shutdown()
    }
    for (task, _) in Self.tasks {
      let pairs = zip(speeds["\(task) on"] ?? [], speeds["\(task) off"] ?? [])
      let ratios = BenchmarkSample(values: pairs.map { $0 / $1 }.sorted(), othersCPUs: nil)
      let isSame = Set(answers[task] ?? []).count == 1
      let parameters = ["same_answers": "\(isSame)", "precision": "\(precision)"]
      report.add("speculation-\(task)", "on/off", "x", ratios, parameters: parameters)
      guard isSame else {
        throw ModelError(.invalidOption, "The answers to \(task) differ; this is a defect.")
      }
    }
  }
}
