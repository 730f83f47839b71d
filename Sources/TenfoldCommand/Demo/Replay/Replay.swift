// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import Tenfold

/// Several clients that each ask, wait for the answer, and ask the next.
struct Replay: Sendable {
  let requests: [WorkloadRequest]
  let clients: Int
  /// What the systems may take from caches.
  var cachePolicy = CachePolicy.standard

  struct Result: Sendable {
    var outcomes: [ReplayOutcome]
    var wall: Duration
    var cpu: Duration
  }

  /// Asks everything and waits for every answer.
  ///
  /// - Parameters:
  ///   - model: What answers.
  ///   - tenant: Who asks. An engine keeps the beginnings of prompts for each tenant alone, so a tenant for each system
  ///     keeps one from answering out of another's work.
  ///   - progress: Told how many answers have come.
  /// - Returns: The outcomes in the workload's order, and what they took.
  /// - Throws: `CancellationError` when the task is cancelled; a single failure is an outcome.
  func run(
    _ model: any LanguageModel,
    as tenant: TenantID,
    progress: @escaping @Sendable (Int) -> Void
  ) async throws -> Result {
    let counters = ReplayCounters()
    let cpuBegin = ProcessUsage.cpuTime
    let begin = ContinuousClock.now
    let outcomes = try await withThrowingTaskGroup(of: [(Int, ReplayOutcome)].self) { group in
      for _ in 0..<clients {
        group.addTask {
          var mine: [(Int, ReplayOutcome)] = []
          while true {
            let index = counters.takeNext()
            guard index < requests.count else { return mine }
            try Task.checkCancellation()
            mine.append((index, try await ask(requests[index], model, tenant)))
            progress(counters.countDone())
          }
        }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
    return Result(
      outcomes: outcomes.sorted { $0.0 < $1.0 }.map(\.1),
      wall: begin.duration(to: .now),
      cpu: ProcessUsage.cpuTime - cpuBegin
    )
  }

  private func ask(
    _ workload: WorkloadRequest,
    _ model: any LanguageModel,
    _ tenant: TenantID
  ) async throws -> ReplayOutcome {
    var request = try workload.request(tenant: tenant)
    request.context.cachePolicy = cachePolicy
    let begin = ContinuousClock.now
    var first: Duration?
    var text = ""
    var outcome = ReplayOutcome(request: workload, latency: .zero, timeToFirstToken: .zero)
    do {
      for try await event in try await model.generate(request) {
        switch event {
        case .text(let piece):
          first = first ?? begin.duration(to: .now)
          text += piece
        case .finished(let summary):
          outcome.completion = Completion(text: text, summary: summary)
        }
      }
      if outcome.completion == nil { outcome.failure = "the stream ended without a summary" }
    } catch {
      if Task.isCancelled { throw CancellationError() }
      outcome.failure = "\(error)"
    }
    outcome.latency = begin.duration(to: .now)
    outcome.timeToFirstToken = first ?? outcome.latency
    return outcome
  }
}

/// What the clients share.
private final class ReplayCounters: Sendable {
  private let next = Atomic(0)
  private let done = Atomic(0)

  func takeNext() -> Int { next.wrappingAdd(1, ordering: .relaxed).oldValue }

  func countDone() -> Int { done.wrappingAdd(1, ordering: .relaxed).newValue }
}
