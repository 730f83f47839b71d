// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

internal import Metrics

/// Counts jobs that were handed in: those that are new, and those whose place was taken.
struct EnqueueCounters: Sendable {
  private let accepted: Counter
  private let duplicates: Counter

  init(_ factory: any MetricsFactory) {
    func counter(_ outcome: String) -> Counter {
      Counter(label: "tenfold.jobs.enqueued", dimensions: [("outcome", outcome)], factory: factory)
    }
    (accepted, duplicates) = (counter("accepted"), counter("duplicate"))
  }

  func count(_ outcomes: [EnqueueOutcome]) {
    let new = outcomes.count { $0 == .inserted }
    if new > 0 { accepted.increment(by: new) }
    if outcomes.count > new { duplicates.increment(by: outcomes.count - new) }
  }
}
