// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

internal import Metrics

/// What a worker tells the host's metrics of its runs, beside how they ended; made once, as looking a metric up costs more
/// than recording it.
struct RunMetrics: Sendable {
  private let started: Counter
  private let expired: Counter
  private let waitTime: Timer
  private let runTime: Timer

  init(_ factory: any MetricsFactory) {
    started = Counter(label: "tenfold.jobs.started", dimensions: [], factory: factory)
    expired = Counter(label: "tenfold.jobs.expired", dimensions: [], factory: factory)
    waitTime = Timer(label: "tenfold.jobs.wait_time", dimensions: [], factory: factory)
    runTime = Timer(label: "tenfold.jobs.run_time", dimensions: [], factory: factory)
  }

  /// A run begins, after its job waited so long for it; gives what ``end(_:)`` is to be told.
  func begin(after waited: Duration) -> ContinuousClock.Instant {
    started.increment()
    waitTime.recordNanoseconds(waited.nanoseconds)
    return .now
  }

  /// A run that began then is over, however it ended.
  func end(_ begin: ContinuousClock.Instant) {
    runTime.recordNanoseconds((ContinuousClock.now - begin).nanoseconds)
  }

  /// Leases were taken back.
  func count(expired count: Int) { if count > 0 { expired.increment(by: count) } }
}
