// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldCore
import TenfoldJobs

/// A store that says what it acknowledged and handed out, once its caller could know.
struct SpeakingStore: JobStore {
  let store: SQLiteJobStore

  var wakeups: AsyncStream<JobWakeup> { store.wakeups }

  func enqueue(_ jobs: [NewJob]) async throws -> [EnqueueOutcome] { try await store.enqueue(jobs) }

  func claim(_ request: ClaimRequest) async throws -> [JobLease] {
    try await settleAndClaim([], request).leases
  }

  func settle(_ settlements: [JobSettlement]) async throws -> [SettleOutcome] {
    let outcomes = try await store.settle(settlements)
    tell(settlements, outcomes)
    return outcomes
  }

  func extend(
    _ leases: [JobLease.Reference],
    by duration: Duration,
    updates: [JobUpdate?]
  ) async throws -> [ExtendOutcome] {
    try await store.extend(leases, by: duration, updates: updates)
  }

  func reap(limit: Int) async throws -> Int { try await store.reap(limit: limit) }

  func control(_ command: JobControl) async throws { try await store.control(command) }

  func erase(_ tenant: TenantID) async throws -> Int { try await store.erase(tenant) }

  func observe(_ query: JobStats.Query) async throws -> JobStats { try await store.observe(query) }

  func settleAndClaim(
    _ settlements: [JobSettlement],
    _ request: ClaimRequest
  ) async throws -> (settled: [SettleOutcome], leases: [JobLease]) {
    let (outcomes, leases) = try await store.settleAndClaim(settlements, request)
    tell(settlements, outcomes)
    for lease in leases {
      let job = try? JSONDecoder().decode(CrashJob.self, from: Data(lease.payload))
      say("started \(lease.reference.id) \(lease.reference.fence) \(job?.key ?? "-")")
    }
    return (outcomes, leases)
  }

  private func tell(_ settlements: [JobSettlement], _ outcomes: [SettleOutcome]) {
    for (settlement, outcome) in zip(settlements, outcomes) where outcome == .applied {
      // A lease that is given back ends no job.
      let isDone = if case .done = settlement.outcome { true } else { false }
      say("\(isDone ? "settled" : "left") \(settlement.reference.id) \(settlement.reference.fence)")
    }
  }
}
