// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Tenfold

/// How long live readers wait for whole answers, alone and beside a batch that never ends.
///
/// Arrivals are a Poisson process that doesn't wait for answers, the same in both cases, in turns of one case and the
/// other. Without a file of a decoder a model of fixed cost answers, which serves live requests first.
struct BesideBenchmark {
  let folder: ScratchFolder
  /// A decoder, or `nil` for the model of fixed cost.
  let path: String?
  /// Live requests a second, how many in a turn, and tokens of each answer.
  let rate: Double
  let requests: Int
  let tokens: Int
  /// Whether lines give way to live requests.
  let yields: Bool

  func run(_ report: inout BenchmarkReport) async throws {
    let traffic = LiveTraffic()
    guard let path else {
      return try await compare("fixed", FixedCostModel(), traffic, &report)
    }
    let model = try await LocalLanguageModel.load(
      gguf: path,
      options: .init(threads: report.options.threads, contextLength: 1_024)
    )
    try await compare("decoder", model, traffic, &report)
    await model.shutdown()
  }

  private func compare(
    _ name: String,
    _ inner: any LanguageModel,
    _ traffic: LiveTraffic,
    _ report: inout BenchmarkReport
  ) async throws {
    let model = Pipeline(model: inner, middlewares: [traffic])
    let meter = NoiseMeter()
    var (alone, beside) = ([Double](), [Double]())
    var lines: [Double] = []
    // The first turn warms up and is dropped.
    _ = try await live(model, seed: 0, count: requests / 10)
    for turn in 1...report.options.reps {
      alone += try await live(model, seed: UInt64(turn), count: requests)
      let (values, rate) = try await batched(model, traffic, seed: UInt64(turn))
      beside += values
      lines.append(rate)
    }
    let others = meter.othersCPUs()
    let parameters = [
      "rate": "\(rate)", "requests": "\(requests)", "tokens": "\(tokens)", "yields": "\(yields)",
    ]
    func sample(_ values: [Double]) -> BenchmarkSample { .init(values: values.sorted(), othersCPUs: others) }
    let (left, right) = (sample(alone), sample(beside))
    report.add("beside-\(name)-alone", "answer", "ms", left, parameters: parameters)
    report.add("beside-\(name)-batch", "answer", "ms", right, parameters: parameters)
    report.add("beside-\(name)-batch", "lines", "1/s", sample(lines), parameters: parameters)
    for (metric, share, bound) in [("p50", 0.5, nil), ("p99", 0.99, 1.1)] as [(String, Double, Double?)] {
      report.add(
        "beside-\(name)-ratio",
        metric,
        "x alone",
        sample([right.quantile(share) / left.quantile(share)]),
        parameters: parameters,
        target: bound.map { .atMost($0) }
      )
    }
  }

  /// Milliseconds from each request's arrival to its whole answer.
  private func live(_ model: any LanguageModel, seed: UInt64, count: Int) async throws -> [Double] {
    var random = SeededGenerator(seed: seed)
    return try await withThrowingTaskGroup(of: Double.self) { group in
      var due = ContinuousClock.now
      for number in 0..<count {
        due += .seconds(-log(1 - Double.random(in: 0..<1, using: &random)) / rate)
        try await Task.sleep(until: due)
        let begin = due
        group.addTask {
          _ = try await model.respond(to: request("\(number)", .normal))
          return (ContinuousClock.now - begin) / .milliseconds(1)
        }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
  }

  private func request(_ name: String, _ priority: RequestPriority) throws -> InferenceRequest {
    InferenceRequest(
      prompt: .chat([.user("\(name): name some things that are made of stone.")]),
      options: try GenerationOptions(maxTokens: tokens, temperature: 1, seed: 7),
      context: RequestContext(tenant: "live", priority: priority)
    )
  }

  /// The same beside a batch, and the lines that it answered a second.
  private func batched(
    _ model: any LanguageModel,
    _ traffic: LiveTraffic,
    seed: UInt64
  ) async throws -> ([Double], Double) {
    let file = folder.file()
    defer { folder.remove(file) }
    let database = try await SQLiteDatabase.open(
      .file(file),
      schemas: [SQLiteJobStore.schema, BatchInference.schema]
    )
    let store = try await SQLiteJobStore.open(in: database, isShared: false)
    let batches = BatchInference(
      store: store,
      model: model,
      options: .init(yieldsTo: yields ? traffic : nil)
    )
    let input = folder.path + "/lines.jsonl"
    // More than can be answered meanwhile.
    let lines = (0..<max(2_000, requests * 10)).map { number in
      """
      {"custom_id":"\(number)","method":"POST","url":"/v1/chat/completions","body":{"max_tokens":\(tokens),\
      "messages":[{"role":"user","content":"\(number): name some things that are made of glass."}]}}
      """
    }
    try Data(lines.joined(separator: "\n").utf8).write(to: URL(fileURLWithPath: input))
    try await batches.submit(input, as: "beside", for: "batch")
    let worker = batches.makeWorker()
    let result = try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await worker.run() }
      let begin = ContinuousClock.now
      let before = try await batches.status(of: "beside").succeeded
      let values = try await live(model, seed: seed, count: requests)
      let done = try await batches.status(of: "beside").succeeded - before
      let seconds = (ContinuousClock.now - begin) / .seconds(1)
      worker.drain(grace: .zero)
      try await group.waitForAll()
      return (values, Double(done) / seconds)
    }
    await database.close()
    return result
  }
}
