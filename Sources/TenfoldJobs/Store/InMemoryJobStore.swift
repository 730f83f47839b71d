// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
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
  private let table = Mutex(JobTable())
  let hub = HintHub<JobWakeup>()
  let room = HintHub<Void>()
  private let clock: JobStoreClock

  /// Creates an empty store.
  ///
  /// - Parameter clock: Where the time comes from.
  public init(clock: JobStoreClock = .system) { self.clock = clock }

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
    let leases = table.withLock { $0.claim(request, now: now) }
    if !leases.isEmpty { room.send(()) }
    return leases
  }

  /// Ends runs.
  ///
  /// - Parameter settlements: How runs ended.
  /// - Returns: One outcome for each settlement, in order.
  /// - Throws: Never.
  public func settle(_ settlements: [JobSettlement]) async throws -> [SettleOutcome] {
    let now = clock.monotonic()
    let outcomes = table.withLock { table in settlements.map { table.settle($0, now: now) } }
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
