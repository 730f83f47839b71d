// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization
import Tenfold

/// Does anything grow or slow down in the long run? At 80 % of what the engine can do, with readers who leave.
///
/// What it can do is measured first, by 60 requests at once. Then requests arrive for some minutes; every tenth reader
/// leaves after a few tokens. It tells memory and threads at the end of the first and of the last minute, the 99th percentile
/// of the time to the first token and of whole answers in both, and pages that are still held at the end.
struct SoakBenchmark {
  let path: String
  let precision: DecoderPrecision
  let minutes: Int

  private struct Done: Sendable {
    var minute: Int
    var firstToken: Double
    var whole: Double
  }

  func run(_ report: inout BenchmarkReport) async throws {
    let model = try await LocalLanguageModel.load(
      gguf: path,
      options: .init(threads: report.options.threads, contextLength: 2_048, precision: precision)
    )
    let rate = try await 0.8 * capacity(model)
    let meter = NoiseMeter()
    let states = Mutex<[Int: (rss: Double, threads: Double)]>([:])
    let start = ContinuousClock.now
    let end = start + .seconds(60 * minutes)
    let done = try await withThrowingTaskGroup(of: Done?.self) { group in
      var due = start
      var last = 0
      for arrival in LoadTraffic(rate: rate) {
        due += arrival.wait
        guard due < end else { break }
        try await Task.sleep(until: due)
        let minute = Int((due - start) / .seconds(60))
        if minute != last {
          states.withLock { $0[last] = Self.state() }
          last = minute
        }
        group.addTask { try await answer(model, arrival, minute: minute) }
      }
      states.withLock { $0[minutes - 1] = Self.state() }
      var all: [Done] = []
      for try await answer in group { if let answer { all.append(answer) } }
      return all
    }
    let others = meter.othersCPUs()
    let pages = Double(model.statistics.usedPages)
    await model.shutdown()
    func add(_ metric: String, _ unit: String, _ values: [Double]) {
      report.add(
        "soak-\(minutes)min",
        metric,
        unit,
        BenchmarkSample(values: values.sorted(), othersCPUs: others),
        parameters: ["rate": "\(rate)", "requests": "\(done.count)", "precision": "\(precision)"]
      )
    }
    add("rate", "1/s", [rate])
    for (name, minute) in [("first", 0), ("last", minutes - 1)] {
      let state = states.withLock { $0[minute] }
      add("RSS \(name) minute", "MB", [state?.rss ?? 0])
      add("threads \(name) minute", "", [state?.threads ?? 0])
      let those = done.filter { $0.minute == minute }
      add("first token \(name) minute", "ms", those.map(\.firstToken))
      add("answer \(name) minute", "ms", those.map(\.whole))
    }
    add("pages held at the end", "", [pages])
  }

  /// Requests a second that the engine can answer.
  private func capacity(_ model: LocalLanguageModel) async throws -> Double {
    let count = 60
    let start = ContinuousClock.now
    try await withThrowingTaskGroup { group in
      for arrival in LoadTraffic(rate: 1).prefix(count) {
        group.addTask { _ = try await LoadTraffic.answer(model, arrival) }
      }
      try await group.waitForAll()
    }
    return Double(count) / ((ContinuousClock.now - start) / .seconds(1))
  }

  /// Reads an answer, or leaves after some tokens.
  private func answer(
    _ model: LocalLanguageModel,
    _ arrival: LoadTraffic.Arrival,
    minute: Int
  ) async throws -> Done? {
    guard arrival.number % 10 != 9 else {
      var left = arrival.number % 7
      for try await _ in try await model.generate(LoadTraffic.request(arrival)) {
        if left == 0 { return nil }
        left -= 1
      }
      return nil
    }
    let start = ContinuousClock.now
    let usage = try await LoadTraffic.answer(model, arrival)
    return Done(
      minute: minute,
      firstToken: usage.timeToFirstToken / .milliseconds(1),
      whole: (ContinuousClock.now - start) / .milliseconds(1)
    )
  }

  private static func state() -> (rss: Double, threads: Double) {
    func value(_ key: String) -> Double {
      SystemFile.value(key, in: "/proc/self/status")?.split(separator: " ").first.flatMap { Double($0) } ?? 0
    }
    return (value("VmRSS") * 1_024 / 1e6, value("Threads"))
  }
}
