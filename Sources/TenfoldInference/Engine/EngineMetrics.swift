// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

internal import Metrics
import TenfoldCore

/// What an engine tells the host's metrics; made once, as looking a metric up costs more than recording it.
///
/// The names begin with `tenfold.inference.` and carry the model as a dimension.
struct EngineMetrics {
  private let queueTime: Timer
  private let timeToFirstToken: Timer
  private let timePerToken: Timer
  private let batchRows: Recorder
  private let batchSequences: Recorder
  private let running: Gauge
  private let waiting: Gauge
  private let usedPages: Gauge
  private let keptPages: Gauge
  private let counters: [(Counter, KeyPath<EngineStatistics, Int>)]
  private let model: String
  private let factory: any MetricsFactory
  private var outcomes: [String: Counter] = [:]
  private var told = EngineStatistics()

  /// - Parameters:
  ///   - model: The model's name in the pipeline.
  ///   - factory: Makes the metrics.
  init(model: String, factory: any MetricsFactory) {
    let dimensions = [("model", model)]
    func label(_ name: String) -> String { "tenfold.inference." + name }
    func timer(_ name: String) -> Timer {
      Timer(label: label(name), dimensions: dimensions, factory: factory)
    }
    func recorder(_ name: String) -> Recorder {
      Recorder(label: label(name), dimensions: dimensions, aggregate: true, factory: factory)
    }
    func gauge(_ name: String) -> Gauge {
      Gauge(label: label(name), dimensions: dimensions, factory: factory)
    }
    self.model = model
    self.factory = factory
    queueTime = timer("queue_time")
    timeToFirstToken = timer("time_to_first_token")
    timePerToken = timer("time_per_token")
    batchRows = recorder("batch_rows")
    batchSequences = recorder("batch_sequences")
    running = gauge("running_sequences")
    waiting = gauge("waiting_sequences")
    usedPages = gauge("key_value_pages_used")
    keptPages = gauge("key_value_pages_kept")
    let counted: [(String, KeyPath<EngineStatistics, Int>)] = [
      ("passes", \.steps), ("prompt_tokens", \.promptTokens), ("cached_prompt_tokens", \.cachedPromptTokens),
      ("generated_tokens", \.generatedTokens), ("drafted_tokens", \.draftedTokens),
      ("accepted_tokens", \.acceptedTokens), ("model_drafted_tokens", \.modelDraftedTokens),
      ("model_accepted_tokens", \.modelAcceptedTokens), ("draft_passes", \.draftPasses),
      ("preemptions", \.preemptions),
    ]
    counters = counted.map { name, path in
      (Counter(label: label(name), dimensions: dimensions, factory: factory), path)
    }
  }

  /// Records a pass.
  func record(rows: Int, sequences: Int) {
    batchRows.record(rows)
    batchSequences.record(sequences)
  }

  /// Records what has changed since the last call.
  mutating func record(_ statistics: EngineStatistics) {
    guard statistics != told else { return }
    running.record(statistics.running)
    waiting.record(statistics.waiting)
    usedPages.record(statistics.usedPages)
    keptPages.record(statistics.keptPages)
    for (counter, path) in counters where statistics[keyPath: path] > told[keyPath: path] {
      counter.increment(by: statistics[keyPath: path] - told[keyPath: path])
    }
    told = statistics
  }

  /// Records the end of a request, whose last state this is.
  mutating func record(_ sequence: EngineSequence) {
    let outcome = sequence.outcome
    let counter =
      outcomes[outcome]
      ?? Counter(
        label: "tenfold.inference.requests",
        dimensions: [("model", model), ("outcome", outcome)],
        factory: factory
      )
    outcomes[outcome] = counter
    counter.increment()
    queueTime.recordNanoseconds(sequence.usage.queueTime.nanoseconds)
    if let time = sequence.timeToFirstToken { timeToFirstToken.recordNanoseconds(time.nanoseconds) }
    if let time = sequence.timePerToken { timePerToken.recordNanoseconds(time.nanoseconds) }
  }
}

extension Duration {
  /// Whole nanoseconds.
  fileprivate var nanoseconds: Int64 { Int64(self / .nanoseconds(1)) }
}
