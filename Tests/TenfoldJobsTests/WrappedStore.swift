// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import TenfoldCore
import TenfoldJobs

/// A store whose answers can be held up or spoilt, and which keeps what was settled.
final class WrappedStore: JobStore {
  let inner: InMemoryJobStore
  private let references = Mutex<[JobLease.Reference]>([])
  private let beforeExtend: @Sendable () async throws -> Void
  private let noteExtent: @Sendable (Duration) -> Void
  private let noteSubscription: @Sendable () -> Void
  private let beforeObserve: @Sendable (_ settled: Int) async throws -> Void
  private let beforeClaim: @Sendable () async throws -> Void
  private let afterClaim: @Sendable ([JobLease]) async throws -> Void
  private let beforeSettle: @Sendable () async throws -> Void
  private let beforeReap: @Sendable () async throws -> Void

  init(
    beforeExtend: @escaping @Sendable () async throws -> Void = {},
    noteExtent: @escaping @Sendable (Duration) -> Void = { _ in },
    beforeObserve: @escaping @Sendable (_ settled: Int) async throws -> Void = { _ in },
    beforeClaim: @escaping @Sendable () async throws -> Void = {},
    afterClaim: @escaping @Sendable ([JobLease]) async throws -> Void = { _ in },
    beforeSettle: @escaping @Sendable () async throws -> Void = {},
    beforeReap: @escaping @Sendable () async throws -> Void = {},
    noteSubscription: @escaping @Sendable () -> Void = {},
    clock: JobStoreClock = .system
  ) {
    self.beforeExtend = beforeExtend
    self.noteExtent = noteExtent
    self.noteSubscription = noteSubscription
    self.beforeObserve = beforeObserve
    self.beforeClaim = beforeClaim
    self.afterClaim = afterClaim
    self.beforeSettle = beforeSettle
    self.beforeReap = beforeReap
    inner = InMemoryJobStore(clock: clock)
  }

  var settled: [JobLease.Reference] { references.withLock { $0 } }

  func enqueue(_ jobs: [NewJob]) async throws -> [EnqueueOutcome] { try await inner.enqueue(jobs) }

  func claim(_ request: ClaimRequest) async throws -> [JobLease] {
    try await beforeClaim()
    let leases = try await inner.claim(request)
    try await afterClaim(leases)
    return leases
  }

  func settle(_ settlements: [JobSettlement]) async throws -> [SettleOutcome] {
    try await beforeSettle()
    references.withLock { $0 += settlements.map(\.reference) }
    return try await inner.settle(settlements)
  }

  func extend(
    _ leases: [JobLease.Reference],
    by duration: Duration,
    updates: [JobUpdate?]
  ) async throws -> [ExtendOutcome] {
    noteExtent(duration)
    try await beforeExtend()
    return try await inner.extend(leases, by: duration, updates: updates)
  }

  func reap(limit: Int) async throws -> Int {
    try await beforeReap()
    return try await inner.reap(limit: limit)
  }

  func control(_ command: JobControl) async throws { try await inner.control(command) }

  func erase(_ tenant: TenantID) async throws -> Int { try await inner.erase(tenant) }

  func observe(_ query: JobStats.Query) async throws -> JobStats {
    try await beforeObserve(settled.count)
    return try await inner.observe(query)
  }

  var isShared: Bool { false }

  var wakeups: AsyncStream<JobWakeup> {
    noteSubscription()
    return inner.wakeups
  }
}
