// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// Keeps jobs: the whole of what a back end implements.
///
/// Every call takes a batch, so that a store can commit it at once. No time of a client crosses this boundary, only
/// durations: the store's clock alone decides what is due and what has expired. Run `JobStoreContract` from
/// TenfoldTesting against an implementation of your own.
///
/// ```swift
/// let store = try await SQLiteJobStore.open(.file("jobs.db"))
/// let worker = JobWorker(store: store) { $0.handle(EmbedDocuments.self) }
/// try await worker.run()
/// ```
public protocol JobStore: Sendable {
  /// Accepts jobs; as durable as the store promises when this returns.
  ///
  /// - Parameter jobs: Jobs whose ids the client made.
  /// - Returns: One outcome for each job, in order.
  /// - Throws: When nothing of the batch was accepted.
  func enqueue(_ jobs: [NewJob]) async throws -> [EnqueueOutcome]

  /// Hands out jobs that may run now, each with a new fence.
  ///
  /// - Parameter request: From where, how many, for how long.
  /// - Returns: At most as many leases as asked for, maybe none.
  /// - Throws: When nothing was handed out.
  func claim(_ request: ClaimRequest) async throws -> [JobLease]

  /// Ends runs; each settlement counts only if its fence is the job's current one and the job is running.
  ///
  /// - Parameter settlements: How runs ended.
  /// - Returns: One outcome for each settlement, in order.
  /// - Throws: When none was applied.
  func settle(_ settlements: [JobSettlement]) async throws -> [SettleOutcome]

  /// Lets runs go on for longer and stores what they report.
  ///
  /// - Parameters:
  ///   - leases: The runs.
  ///   - duration: How long from now the leases run, by the store's clock.
  ///   - updates: One entry for each lease, in order.
  /// - Returns: One outcome for each lease, in order.
  /// - Throws: When no lease was extended.
  func extend(
    _ leases: [JobLease.Reference],
    by duration: Duration,
    updates: [JobUpdate?]
  ) async throws -> [ExtendOutcome]

  /// Takes back runs whose leases expired; ``JobOptions/crashLimit`` says which time makes a job a dead letter.
  ///
  /// A job that saves a new checkpoint or step (``extend(_:by:updates:)``) makes progress: from there it is counted anew. So it
  /// is from a run that ended by itself: with a retry, or a release that says when to come back.
  ///
  /// - Parameter limit: How many at most.
  /// - Returns: How many were taken back.
  /// - Throws: When none was.
  func reap(limit: Int) async throws -> Int

  /// Does what an operator asks.
  ///
  /// - Parameter command: What to do; jobs that are not in a fitting state are left alone.
  /// - Throws: When nothing was done.
  func control(_ command: JobControl) async throws

  /// Deletes all jobs of a tenant, in every state, with payloads, results, checkpoints, steps, errors and unique keys.
  ///
  /// It goes in short steps, so that others needn't wait, and begins by handing out nothing more of the tenant. All jobs
  /// that were accepted before the call are gone when it returns; those that the tenant hands in meanwhile may stay.
  ///
  /// A run of the tenant's loses its lease: its worker is told so with the next heartbeat, and its settlement is refused as
  /// fenced. Other tenants' jobs that come after an erased one become dead letters, as after a cancelled one. The
  /// tenant's weight (``JobControl/weigh(_:_:)``) is forgotten. Rate limits of keys go on, as tenants may share them.
  ///
  /// An error, a cancellation or a kill midway leaves some of the jobs: call it again. Don't hand in an erased job under
  /// its old id while a run of it may go on.
  ///
  /// - Parameter tenant: Whose jobs.
  /// - Returns: How many jobs this call deleted.
  /// - Throws: ``JobError`` with code ``JobError/Code/invalidOption`` for the empty tenant, which stands for nobody; what
  ///   the store throws; `CancellationError`.
  @discardableResult
  func erase(_ tenant: TenantID) async throws -> Int

  /// Looks at queues and jobs.
  ///
  /// - Parameter query: What to look at.
  /// - Returns: A consistent view.
  /// - Throws: When the store can't be read.
  func observe(_ query: JobStats.Query) async throws -> JobStats

  /// Hints that something changed; each call makes a stream of its own that ends with its consumer's task.
  ///
  /// A store that other processes also write to may miss their changes, so workers look again now and then.
  var wakeups: AsyncStream<JobWakeup> { get }

  /// Whether jobs can be changed otherwise than through this object, so that whoever waits has to look now and then.
  ///
  /// `true` unless an implementation says otherwise; where it is `false` nothing is polled.
  var isShared: Bool { get }

  /// Ends runs and hands out jobs in one step; the default makes two calls.
  ///
  /// - Parameters:
  ///   - settlements: How runs ended.
  ///   - request: What the worker asks for.
  /// - Returns: One outcome for each settlement, and the new leases.
  /// - Throws: When none of the settlements was applied, or after them when nothing was handed out.
  func settleAndClaim(
    _ settlements: [JobSettlement],
    _ request: ClaimRequest
  ) async throws -> (settled: [SettleOutcome], leases: [JobLease])
}

extension JobStore {
  /// A store may be used by others too.
  public var isShared: Bool { true }

  /// Ends runs, then hands out jobs, in two calls.
  ///
  /// - Parameters:
  ///   - settlements: How runs ended.
  ///   - request: What the worker asks for.
  /// - Returns: One outcome for each settlement, and the new leases.
  /// - Throws: What ``settle(_:)`` or ``claim(_:)`` throws.
  public func settleAndClaim(
    _ settlements: [JobSettlement],
    _ request: ClaimRequest
  ) async throws -> (settled: [SettleOutcome], leases: [JobLease]) {
    let settled = settlements.isEmpty ? [] : try await settle(settlements)
    return (settled, request.maximum > 0 ? try await claim(request) : [])
  }
}
