// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Tenfold

/// What does a JSON schema cost, and what do guesses give back? Peer: the same engine answering freely.
struct StructuredBenchmark {
  let path: String
  let precision: DecoderPrecision

  /// Asks for more than there is room for, so that free answers are long, too.
  private static let question = "Tell me the whole story of twelve people on an island, each in great detail."

  /// At least twelve people, which takes some 150 tokens.
  ///
  /// - Parameter title: Makes a schema that no answer has followed yet.
  /// - Returns: The schema's text.
  private static func schema(_ title: String) -> String {
    #"""
    {"title": "\#(title)", "type": "array", "minItems": 12, "items": {"type": "object", "properties": {
      "name": {"type": "string", "maxLength": 40}, "age": {"type": "integer", "minimum": 0, "maximum": 120},
      "tags": {"type": "array", "items": {"type": "string"}}}, "required": ["name", "age", "tags"]}}
    """#
  }

  func run(_ report: inout BenchmarkReport) async throws {
    func load(_ speculation: DecoderSpeculation) async throws -> LocalLanguageModel {
      try await LocalLanguageModel.load(
        gguf: path,
        options: .init(
          threads: report.options.threads,
          contextLength: 1_024,
          precision: precision,
          speculation: speculation
        )
      )
    }
    // Guesses come true more often within a schema and would hide its cost.
    let plain = try await load(.off)
    let guessing = try await load(.promptLookup)
    for temperature in [Float(0), 0.8] {
      let schema = ResponseFormat.jsonSchema(Self.schema("People at \(temperature)"))
      let cases = [
        ("free", plain, ResponseFormat.text), ("schema", plain, schema), ("guessing", guessing, schema),
      ]
      var speeds: [String: [Double]] = [:]
      for repetition in 0..<report.options.reps + 1 {
        // As long as the free answer, so that none is slower for standing behind more tokens.
        var length = 400
        for (name, model, format) in cases {
          let options = try GenerationOptions(
            maxTokens: length,
            temperature: temperature,
            seed: UInt64(repetition),
            responseFormat: format
          )
          let request = InferenceRequest(Self.question, tenant: "bench", options: options)
          let usage = try await model.respond(to: request).summary.usage
          guard usage.completionTokens > 1 else { continue }
          if name == "free" {
            // A format has to have room for its shortest answer.
            guard usage.completionTokens >= 200 else { break }
            length = usage.completionTokens
          }
          let time = (usage.queueTime + usage.computeTime - usage.timeToFirstToken) / .seconds(1)
          // The first round warms up, and is the first to follow its schema.
          let key = repetition > 0 ? name : "first \(name)"
          speeds[key, default: []].append(Double(usage.completionTokens - 1) / time)
        }
      }
      add(speeds, temperature, to: &report)
    }
    await plain.shutdown()
    await guessing.shutdown()
  }

  private func add(_ speeds: [String: [Double]], _ temperature: Float, to report: inout BenchmarkReport) {
    let parameters = ["temperature": "\(temperature)", "precision": "\(precision)"]
    func add(_ name: String, _ values: [Double], _ unit: String) {
      let sample = BenchmarkSample(values: values.sorted(), othersCPUs: nil)
      report.add("structured-t\(temperature)", name, unit, sample, parameters: parameters)
    }
    let free = speeds["free"] ?? []
    add("free", free, "tok/s")
    if !free.isEmpty, let first = speeds["first schema"] {
      let middle = BenchmarkSample(values: free.sorted(), othersCPUs: nil).median
      add("first schema/free", first.map { $0 / middle }, "x")
    }
    for name in ["schema", "guessing"] {
      let values = speeds[name] ?? []
      add(name, values, "tok/s")
      add("\(name)/free", zip(values, free).map { $0 / $1 }, "x")
    }
  }
}
