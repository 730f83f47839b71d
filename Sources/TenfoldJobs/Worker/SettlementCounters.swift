// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

internal import Metrics

/// Counts how runs ended, by outcome.
struct SettlementCounters: Sendable {
  private static let labels = ["fenced", "succeeded", "retried", "dead", "released", "cancelled"]

  /// In the order of the labels; made once, as looking a metric up costs more than settling a job.
  private let counters: [Counter]

  init(_ factory: any MetricsFactory) {
    counters = Self.labels.map {
      Counter(label: "tenfold.jobs.settled", dimensions: [("outcome", $0)], factory: factory)
    }
  }

  /// Counts runs that ended their jobs in transactions of their own, and such that were told that their lease is lost.
  func count(finished: Int, lost: Int) {
    for (index, count) in [(1, finished), (0, lost)] where count > 0 { counters[index].increment(by: count) }
  }

  func count(_ batch: [JobSettlement], _ outcomes: [SettleOutcome]) {
    var counts = Array(repeating: 0, count: counters.count)
    for (settlement, outcome) in zip(batch, outcomes) { counts[Self.index(settlement, outcome)] += 1 }
    for (counter, count) in zip(counters, counts) where count > 0 { counter.increment(by: count) }
  }

  private static func index(_ settlement: JobSettlement, _ outcome: SettleOutcome) -> Int {
    switch (outcome, settlement.outcome) {
    case (.fenced, _): 0
    case (_, .done): 1
    case (_, .retry): 2
    case (_, .dead): 3
    case (_, .release): 4
    case (_, .cancelled): 5
    }
  }
}
