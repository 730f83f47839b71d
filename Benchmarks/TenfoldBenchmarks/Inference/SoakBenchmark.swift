// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization
import Tenfold

/// Does anything grow or slow down in the long run? At 80 % of what the engine can do, with readers who leave.
///
/// What it can do is measured first, by 60 requests at once. Then requests arrive for some minutes; every tenth reader
/// leaves after a few tokens. It tells memory at the end of each minute, beside the key-value pages filled by then (a page's
/// memory is taken when it is first filled); threads in the first and in the last minute, the 99th percentile of the time to
/// the first token and of whole answers in both; and pages that are still held at the end.
struct SoakBenchmark {
  let path: String
  let precision: DecoderPrecision
  let minutes: Int

  private struct State: Sendable {
    var rss: Double
    var threads: Double
    /// Pages that running requests hold or that are kept for others.
    var pages: Double
  }

  private final class Answers: Sendable {
    let all = Mutex<[Done]>([])
  }

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
    let states = Mutex<[Int: State]>([:])
    let start = ContinuousClock.now
    let end = start + .seconds(60 * minutes)
    let answers = Answers()
    // Discarding: a task that ended would stay in memory until the end.
    try await withThrowingDiscardingTaskGroup { group in
      var due = start
      var last = 0
      for arrival in LoadTraffic(rate: rate) {
        due += arrival.wait
        guard due < end else { break }
        try await Task.sleep(until: due)
        let minute = Int((due - start) / .seconds(60))
        if minute != last {
          states.withLock { $0[last] = Self.state(of: model) }
          last = minute
        }
        group.addTask {
          guard let answer = try await answer(model, arrival, minute: minute) else { return }
          answers.all.withLock { $0.append(answer) }
        }
      }
      states.withLock { $0[minutes - 1] = Self.state(of: model) }
    }
    let done = answers.all.withLock { $0 }
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
    for (minute, state) in states.withLock({ $0.sorted { $0.key < $1.key } }) {
      add("RSS minute \(minute + 1)", "MB", [state.rss])
      add("pages minute \(minute + 1)", "", [state.pages])
    }
    for (name, minute) in [("first", 0), ("last", minutes - 1)] {
      let state = states.withLock { $0[minute] }
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

  private static func state(of model: LocalLanguageModel) -> State {
    func value(_ key: String) -> Double {
      SystemFile.value(key, in: "/proc/self/status")?.split(separator: " ").first.flatMap { Double($0) } ?? 0
    }
    let pages = model.statistics
    return State(
      rss: value("VmRSS") * 1_024 / 1e6,
      threads: value("Threads"),
      pages: Double(pages.usedPages + pages.keptPages)
    )
  }
}
