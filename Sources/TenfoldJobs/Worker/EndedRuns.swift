// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import Metrics
import Synchronization

/// The runs of one worker that have ended and are not settled yet.
final class EndedRuns: Sendable {
  /// How a run ended.
  enum Ending: Sendable {
    case settle(JobSettlement.Outcome)
    /// Its job ended in a transaction of its own.
    case finished
    /// Its lease is gone: nothing may be written.
    case lost
  }

  private struct State {
    var finished: [JobSettlement] = []
    /// Those of which there is nothing to write.
    var abandoned: [JobLease.Reference] = []
  }

  private let state = Mutex(State())
  private let running: RunningJobs
  private let counters: SettlementCounters
  private let logger = Logger(label: "tenfold.jobs")

  init(running: RunningJobs, metrics: any MetricsFactory) {
    self.running = running
    counters = SettlementCounters(metrics)
  }

  /// A run ended.
  func add(_ reference: JobLease.Reference, _ ending: Ending) {
    state.withLock { state in
      if case .settle(let outcome) = ending {
        state.finished.append(JobSettlement(reference, outcome))
      } else {
        state.abandoned.append(reference)
      }
    }
    switch ending {
    case .settle: break
    case .finished: counters.count(finished: 1, lost: 0)
    case .lost: counters.count(finished: 0, lost: 1)
    }
  }

  /// Leases that no run began with go back.
  func release(_ leases: [JobLease]) {
    state.withLock { $0.finished += leases.map { JobSettlement($0.reference, .release(after: .zero)) } }
  }

  /// Puts back what could not be settled.
  func restore(_ batch: [JobSettlement]) { state.withLock { $0.finished.insert(contentsOf: batch, at: 0) } }

  /// Takes out what there is to settle.
  func take() -> [JobSettlement] {
    let (finished, abandoned) = state.withLock { state in
      defer { state = State() }
      return (state.finished, state.abandoned)
    }
    running.remove(abandoned)
    return finished
  }

  /// Counts what the store said about a batch, and gives its leases up.
  func book(_ batch: [JobSettlement], _ outcomes: [SettleOutcome]) {
    // Their leases were renewed until now.
    running.remove(batch.map(\.reference))
    counters.count(batch, outcomes)
  }

  /// Settles what there is, and what comes meanwhile.
  ///
  /// Where the store fails it is tried again, for as long as a lease after the last run ended; what is left then comes again
  /// when its lease ends. `failed` is told of each failure of the store.
  func settleAll(
    in store: any JobStore,
    for lease: Duration,
    on thread: HeartbeatThread,
    whileRunning: () -> Bool,
    failed: (any Error) -> Void
  ) async {
    var deadline = thread.now + lease
    var failures = 0
    var batch = take()
    while !batch.isEmpty {
      do {
        book(batch, try await store.settle(batch))
        failures = 0
        batch = take()
      } catch {
        failed(error)
        failures += 1
        if whileRunning() { deadline = thread.now + lease }
        guard thread.now < deadline, !StoreFailures.isFinal(error) else {
          logger.error("leaving \(batch.count) runs to their leases", metadata: ["error": "\(error)"])
          // Nobody renews these any more.
          running.remove(batch.map(\.reference))
          return
        }
        let next = min(deadline, thread.now + StoreFailures.pause(after: failures))
        await withCheckedContinuation { continuation in
          thread.arm(.retry, at: next) { continuation.resume() }
        }
        batch += take()
      }
    }
  }
}
