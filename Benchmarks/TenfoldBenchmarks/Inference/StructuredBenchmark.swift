// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Tenfold

/// What does a JSON schema cost? Peer: the same engine answering freely.
struct StructuredBenchmark {
  let path: String
  let precision: DecoderPrecision

  private static let schema = #"""
    {"type": "array", "minItems": 30, "items": {"type": "object", "properties": {
      "name": {"type": "string", "maxLength": 40}, "age": {"type": "integer", "minimum": 0, "maximum": 120},
      "tags": {"type": "array", "items": {"type": "string"}}}, "required": ["name", "age", "tags"]}}
    """#

  func run(_ report: inout BenchmarkReport) async throws {
    let model = try await LocalLanguageModel.load(
      gguf: path,
      // Without guesses, which come true more often within a schema and would hide its cost.
      options: .init(
        threads: report.options.threads,
        contextLength: 1_024,
        precision: precision,
        speculation: .off
      )
    )
    for temperature in [Float(0), 0.8] {
      var speeds: [String: [Double]] = [:]
      for repetition in 0..<report.options.reps + 1 {
        for (name, format) in [("free", ResponseFormat.text), ("schema", .jsonSchema(Self.schema))] {
          let options = try GenerationOptions(
            maxTokens: 400,
            temperature: temperature,
            seed: UInt64(repetition),
            responseFormat: format
          )
          let request = InferenceRequest("List thirty people as JSON.", tenant: "bench", options: options)
          let usage = try await model.respond(to: request).summary.usage
          // The first round warms up and makes the masks.
          guard repetition > 0, usage.completionTokens > 1 else { continue }
          let time = (usage.queueTime + usage.computeTime - usage.timeToFirstToken) / .seconds(1)
          speeds[name, default: []].append(Double(usage.completionTokens - 1) / time)
        }
      }
      let parameters = ["temperature": "\(temperature)", "precision": "\(precision)"]
      let ratios = zip(speeds["schema"] ?? [], speeds["free"] ?? []).map { $0 / $1 }
      for (name, values, unit) in [
        ("free", speeds["free"] ?? [], "tok/s"), ("schema", speeds["schema"] ?? [], "tok/s"),
        ("schema/free", ratios, "x"),
      ] {
        let sample = BenchmarkSample(values: values.sorted(), othersCPUs: nil)
        report.add("structured-t\(temperature)", name, unit, sample, parameters: parameters)
      }
    }
    await model.shutdown()
  }
}
