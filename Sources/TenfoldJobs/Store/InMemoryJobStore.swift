// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
public import TenfoldCore
import TenfoldStorage

/// Keeps jobs in memory: for tests, and for work that may be lost with the process.
///
/// It keeps the same contract as ``SQLiteJobStore`` except that nothing survives the process.
///
/// ```swift
/// let queue = JobQueue(store: InMemoryJobStore())
/// let handle = try await queue.enqueue(EmbedDocuments(documents: [1, 2, 3]))
/// ```
public final class InMemoryJobStore: JobStore {
  private let table: Mutex<JobTable>
  let hub = HintHub<JobWakeup>()
  let room = HintHub<Void>()
  private let clock: JobStoreClock

  /// Creates an empty store.
  ///
  /// - Parameters:
  ///   - deadRetention: How long dead letters are kept; `nil` for ever, as each is work that was accepted and not done.
  ///   - clock: Where the time comes from.
  public init(deadRetention: Duration? = nil, clock: JobStoreClock = .system) {
    self.clock = clock
    table = Mutex(JobTable(deadRetention: deadRetention.map { max(.zero, $0) }))
  }

  /// Accepts jobs, in memory only.
  ///
  /// - Parameter jobs: Jobs whose ids the client made.
  /// - Returns: One outcome for each job, in order.
  /// - Throws: ``JobError`` with code ``JobError/Code/queueFull``.
  public func enqueue(_ jobs: [NewJob]) async throws -> [EnqueueOutcome] {
    let now = clock.monotonic()
    let outcomes = try table.withLock { table in try table.enqueue(jobs, now: now) }
    hub.send(.ready)
    return outcomes
  }

  /// Hands out jobs that may run now.
  ///
  /// - Parameter request: From where, how many, for how long.
  /// - Returns: At most as many leases as asked for.
  /// - Throws: Never.
  public func claim(_ request: ClaimRequest) async throws -> [JobLease] {
    let now = clock.monotonic()
    let (leases, endedJobs) = table.withLock { table in
      (table.claim(request, now: now), table.claimEndedJobs)
    }
    if endedJobs { hub.send(.settled) }
    if endedJobs || !leases.isEmpty { room.send(()) }
    return leases
  }

  /// Ends runs.
  ///
  /// - Parameter settlements: How runs ended.
  /// - Returns: One outcome for each settlement, in order.
  /// - Throws: Never.
  public func settle(_ settlements: [JobSettlement]) async throws -> [SettleOutcome] {
    let now = clock.monotonic()
    let outcomes = table.withLock { $0.settle(settlements, now: now) }
    hub.send(.settled)
    room.send(())
    return outcomes
  }

  /// Lets runs go on for longer and stores what they report.
  ///
  /// - Parameters:
  ///   - leases: The runs.
  ///   - duration: How long from now the leases run.
  ///   - updates: One entry for each lease, in order.
  /// - Returns: One outcome for each lease, in order.
  /// - Throws: Never.
  public func extend(
    _ leases: [JobLease.Reference],
    by duration: Duration,
    updates: [JobUpdate?]
  ) async throws -> [ExtendOutcome] {
    let now = clock.monotonic()
    return table.withLock { table in
      leases.enumerated().map { index, lease in
        table.extend(lease, by: duration, update: index < updates.count ? updates[index] : nil, now: now)
      }
    }
  }

  /// Takes back runs whose leases expired.
  ///
  /// - Parameter limit: How many at most.
  /// - Returns: How many were taken back.
  /// - Throws: Never.
  public func reap(limit: Int) async throws -> Int {
    let now = clock.monotonic()
    let count = table.withLock { $0.reap(limit: limit, now: now) }
    if count > 0 { hub.send(.ready) }
    return count
  }

  /// Does what an operator asks.
  ///
  /// - Parameter command: What to do.
  /// - Throws: Never.
  public func control(_ command: JobControl) async throws {
    let now = clock.monotonic()
    table.withLock { $0.control(command, now: now) }
    hub.send(.controlled)
    room.send(())
  }

  /// Deletes all jobs of a tenant, in every state, with all that belongs to them.
  ///
  /// - Parameter tenant: Whose jobs.
  /// - Returns: How many jobs this call deleted.
  /// - Throws: ``JobError`` with code ``JobError/Code/invalidOption`` for the empty tenant; `CancellationError` between two
  ///   steps.
  /// - Complexity: O(jobs in the store), 200 deletions in a step.
  @discardableResult
  public func erase(_ tenant: TenantID) async throws -> Int {
    guard tenant != "" else {
      throw JobError(.invalidOption, "erase needs the name of a tenant; the empty one is nobody's")
    }
    defer {
      hub.send(.controlled)
      room.send(())
    }
    let ids = table.withLock { $0.closeLanes(of: tenant) }
    var count = 0
    for begin in stride(from: 0, to: ids.count, by: 200) {
      try Task.checkCancellation()
      let now = clock.monotonic()
      count += table.withLock { $0.erase(ids[begin..<min(begin + 200, ids.count)], now: now) }
    }
    table.withLock { $0.forget(tenant) }
    return count
  }

  /// Looks at queues and jobs.
  ///
  /// - Parameter query: What to look at.
  /// - Returns: A consistent view.
  /// - Throws: Never.
  /// - Complexity: O(jobs in the store).
  public func observe(_ query: JobStats.Query) async throws -> JobStats {
    let now = clock.monotonic()
    return table.withLock { $0.observe(query, now: now) }
  }

  /// Nobody else can reach this memory.
  public var isShared: Bool { false }

  /// Hints that something changed.
  public var wakeups: AsyncStream<JobWakeup> { hub.stream() }
}
