// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
public import TenfoldStorage

/// Keeps jobs in a SQLite file: nothing acknowledged is lost when the process is killed.
///
/// **Durability.** When ``enqueue(_:)`` or ``settle(_:)`` returns, the change survives a kill of the process and,
/// with the default `synchronous=FULL`, loss of power too. Opened with `.relaxed`, loss of power (not a kill) can take
/// back the newest changes: jobs enqueued last may vanish, and jobs settled last may run again. A claim alone is not
/// synced: taken back by loss of power it is as a claim whose worker died with the machine, and later fences are higher.
///
/// **Delivery** is at least once. A lease is counted by this machine's monotonic clock, so wall clocks may jump; after
/// a restart of the machine all leases of the time before are void.
///
/// **Time** never goes back, also over starts of the machine. How long that was off tells the wall clock; one that is behind
/// where the store saw it last, or more than a year ahead, is not believed: the time goes on as if the machine had not been
/// off, which delays jobs but neither stalls nor expires anything. Several processes may share the file; they find
/// each other's jobs at their next look, not by wake-up. Network file systems are not supported.
///
/// **Dead letters** are kept for ever unless `deadRetention` is given: each is work that was accepted and not done, and
/// giving that up is for people to decide. With it, those that died longer ago are purged, a few with each claim, as
/// results are; the time of those from before this could be asked for begins with the first claim.
///
/// ```swift
/// let store = try await SQLiteJobStore.open(.file("jobs.db"))
/// let handle = try await JobQueue(store: store).enqueue(EmbedDocuments(documents: [1, 2, 3]))
/// ```
public final class SQLiteJobStore: JobStore {
  /// The database, for the host's own tables in the same file.
  public let database: SQLiteDatabase
  /// Whether other processes may use the file; where not, nothing is polled.
  public let isShared: Bool
  private let clock: JobStoreClock
  /// Settled when the store is opened.
  private let time: StoreTime
  /// The newest time that is written down in the file.
  private let marked: Atomic<Int64>
  private let picker = Mutex(PriorityPicker())
  let hub = HintHub<JobWakeup>()
  let room = HintHub<Void>()
  let idleWorkers = IdleWorkers()
  private let upkeep: JobUpkeep
  private let deadRetention: Duration?

  private init(
    database: SQLiteDatabase,
    isShared: Bool,
    clock: JobStoreClock,
    time: StoreTime,
    upkeep: JobUpkeep,
    deadRetention: Duration?
  ) {
    self.database = database
    self.isShared = isShared
    self.clock = clock
    self.time = time
    marked = Atomic(time.now(clock.monotonic()))
    self.upkeep = upkeep
    self.deadRetention = deadRetention.map { max(.zero, $0) }
  }

  /// Opens a store of its own file.
  ///
  /// - Parameters:
  ///   - location: A file, or memory for tests.
  ///   - options: How to open it.
  ///   - isShared: Whether other processes may use the file meanwhile. `false` turns polling off: workers and waiting
  ///     tasks then wake for this object's changes alone. Memory is never shared.
  ///   - deadRetention: How long dead letters are kept; `nil` for ever.
  ///   - clock: Where the time comes from.
  /// - Returns: The store.
  /// - Throws: `StorageError`, as `SQLiteDatabase.open` does.
  public static func open(
    _ location: SQLiteDatabase.Location,
    options: SQLiteDatabase.Options = .init(),
    isShared: Bool = true,
    deadRetention: Duration? = nil,
    clock: JobStoreClock = .system
  ) async throws -> SQLiteJobStore {
    try await open(
      in: try await SQLiteDatabase.open(location, schemas: [schema], options: options),
      isShared: isShared,
      deadRetention: deadRetention,
      clock: clock
    )
  }

  /// Opens a store in a database that was opened with ``schema`` among its schemas.
  ///
  /// - Parameters:
  ///   - database: The database, also used by the host.
  ///   - isShared: Whether other processes, or other stores over the same file, may change jobs meanwhile.
  ///   - deadRetention: How long dead letters are kept; `nil` for ever.
  ///   - clock: Where the time comes from.
  /// - Returns: The store.
  /// - Throws: `StorageError`.
  public static func open(
    in database: SQLiteDatabase,
    isShared: Bool = true,
    deadRetention: Duration? = nil,
    clock: JobStoreClock = .system
  ) async throws -> SQLiteJobStore {
    let (time, upkeep) = try await database.write { tx in
      (try StoreTime.adopt(clock, in: tx), JobUpkeep(made: try JobRows.lastingCount(in: tx)))
    }
    return SQLiteJobStore(
      database: database,
      isShared: isShared && database.location != .inMemory,
      clock: clock,
      time: time,
      upkeep: upkeep,
      deadRetention: deadRetention
    )
  }

  /// Closes the database; a store opened in a shared database closes that.
  ///
  /// Whoever waits for a job of this store's gets an error then.
  public func close() async {
    await database.close()
    hub.send(.controlled)
    room.send(())
  }

  /// Accepts jobs; on disk when this returns.
  ///
  /// - Parameter jobs: Jobs whose ids the client made.
  /// - Returns: One outcome for each job, in order.
  /// - Throws: `StorageError`; with `storageFull` nothing of the batch was accepted, and reads and settling go on
  ///   as far as there is room.
  public func enqueue(_ jobs: [NewJob]) async throws -> [EnqueueOutcome] {
    guard !jobs.isEmpty else { return [] }
    return try await database.write { [self] tx in
      guard let worker = idleWorkers.take(for: jobs) else { return try accept(jobs, tx) }
      return try handOut(jobs, to: worker, tx)
    }
  }

  private func accept(_ jobs: [NewJob], _ transaction: SQLiteTransaction) throws -> [EnqueueOutcome] {
    let outcomes = try writing(transaction).enqueue(jobs)
    transaction.onCommit { [hub] in hub.send(.ready) }
    return outcomes
  }

  /// Accepts jobs in the same transaction as the host's own writes: both happen or neither.
  ///
  /// Workers of this process hear of them when the transaction is committed.
  ///
  /// - Parameters:
  ///   - jobs: Jobs whose ids the client made.
  ///   - transaction: A write transaction of ``database``.
  /// - Returns: One outcome for each job, in order.
  /// - Throws: `StorageError`.
  public func enqueue(_ jobs: [NewJob], in transaction: SQLiteTransaction) throws -> [EnqueueOutcome] {
    transaction.onCommit { [hub] in hub.send(.ready) }
    return try writing(transaction).enqueue(jobs)
  }

  /// Hands out jobs that may run now.
  ///
  /// - Parameter request: From where, how many, for how long.
  /// - Returns: At most as many leases as asked for.
  /// - Throws: `StorageError`.
  public func claim(_ request: ClaimRequest) async throws -> [JobLease] {
    try await settleAndClaim([], request).leases
  }

  /// Ends runs; on disk when this returns.
  ///
  /// - Parameter settlements: How runs ended.
  /// - Returns: One outcome for each settlement, in order.
  /// - Throws: `StorageError`.
  public func settle(_ settlements: [JobSettlement]) async throws -> [SettleOutcome] {
    guard !settlements.isEmpty else { return [] }
    return try await database.write { [self] tx in try settle(settlements, in: tx) }
  }

  /// Ends runs in the same transaction as the jobs' own writes: the effects and the end happen once, together.
  ///
  /// If an outcome is `fenced`, throw from the transaction so that its writes are undone.
  ///
  /// - Parameters:
  ///   - settlements: How runs ended.
  ///   - transaction: A write transaction of ``database``.
  /// - Returns: One outcome for each settlement, in order.
  /// - Throws: `StorageError`.
  public func settle(
    _ settlements: [JobSettlement],
    in transaction: SQLiteTransaction
  ) throws -> [SettleOutcome] {
    // Whoever waits for one of these jobs, or for one that comes after it, looks when the end is there to be seen. The
    // hint comes from the writer's thread, as it would be later from the caller's, which has to be woken first.
    transaction.onCommit { [hub, room] in
      hub.send(.settled)
      room.send(())
    }
    return try writing(transaction).settle(settlements)
  }

  /// Ends runs and hands out jobs in one commit.
  ///
  /// - Parameters:
  ///   - settlements: How runs ended.
  ///   - request: What the worker asks for.
  /// - Returns: One outcome for each settlement, and the new leases.
  /// - Throws: `StorageError`; then nothing was changed.
  public func settleAndClaim(
    _ settlements: [JobSettlement],
    _ request: ClaimRequest
  ) async throws -> (settled: [SettleOutcome], leases: [JobLease]) {
    let body: @Sendable (SQLiteTransaction) throws -> (settled: [SettleOutcome], leases: [JobLease]) = {
      [self] tx in
      let settled = settlements.isEmpty ? [] : try settle(settlements, in: tx)
      guard request.maximum > 0 else { return (settled, []) }
      let rows = try writing(tx)
      let leases = try picker.withLock { picker in try rows.claim(request, picker: &picker) }
      if rows.claimEndedJobs { tx.onCommit { [hub] in hub.send(.settled) } }
      if rows.claimEndedJobs || !leases.isEmpty { tx.onCommit { [room] in room.send(()) } }
      return (settled, leases)
    }
    // A claim that power loss takes back is as good as one whose worker died with the machine: the job runs again, and
    // fences of the next start of the machine are all higher. So a claim alone need not wait for the disk.
    return settlements.isEmpty ? try await database.writeUnsynced(body) : try await database.write(body)
  }

  /// Lets runs go on for longer and stores what they report.
  ///
  /// - Parameters:
  ///   - leases: The runs.
  ///   - duration: How long from now the leases run.
  ///   - updates: One entry for each lease, in order.
  /// - Returns: One outcome for each lease, in order.
  /// - Throws: `StorageError`.
  public func extend(
    _ leases: [JobLease.Reference],
    by duration: Duration,
    updates: [JobUpdate?]
  ) async throws -> [ExtendOutcome] {
    guard !leases.isEmpty else { return [] }
    let body: @Sendable (SQLiteTransaction) throws -> [ExtendOutcome] = { [self] tx in
      try writing(tx).extend(leases, by: duration, updates: updates)
    }
    // A lease that power loss takes back is void anyway; what a run saved is not.
    let saves = updates.contains { $0.map { $0.checkpoint != nil || !$0.steps.isEmpty } ?? false }
    return saves ? try await database.write(body) : try await database.writeUnsynced(body)
  }

  /// Takes back runs whose leases expired.
  ///
  /// - Parameter limit: How many at most.
  /// - Returns: How many were taken back.
  /// - Throws: `StorageError`.
  public func reap(limit: Int) async throws -> Int {
    // Taken back by power loss it happens again: the start of the machine ends all leases.
    let count = try await database.writeUnsynced { [self] tx in
      let rows = try writing(tx)
      try rows.keepUp()
      return try rows.reap(limit: limit)
    }
    if count > 0 { hub.send(.ready) }
    return count
  }

  /// Does what an operator asks.
  ///
  /// - Parameter command: What to do.
  /// - Throws: `StorageError`.
  public func control(_ command: JobControl) async throws {
    try await database.write { [self] tx in try writing(tx).control(command) }
    hub.send(.controlled)
    room.send(())
  }

  /// Looks at queues and jobs, over a snapshot that doesn't disturb the writer.
  ///
  /// - Parameter query: What to look at.
  /// - Returns: A consistent view.
  /// - Throws: `StorageError`.
  public func observe(_ query: JobStats.Query) async throws -> JobStats {
    try await database.read { [self] tx in try rows(tx).observe(query) }
  }

  /// Deletes the rows that were kept for tenants and levels without any job; returning jobs make them anew.
  ///
  /// A lane is one small row for each tenant on each level of each queue. ``reap(limit:)``, which workers call, prunes
  /// once some thousands came to be; this is for doing it now.
  ///
  /// - Returns: How many rows were deleted.
  /// - Throws: `StorageError`.
  /// - Complexity: O(jobs + lanes) in one transaction: writes wait meanwhile.
  @discardableResult
  public func pruneLanes() async throws -> Int {
    try await database.write { [self] tx in try rows(tx).pruneLanes() }
  }

  /// Hints of changes made through this object.
  public var wakeups: AsyncStream<JobWakeup> { hub.stream() }

  /// Accepts jobs and hands out to a worker that waits, in one transaction.
  private func handOut(
    _ jobs: [NewJob],
    to worker: IdleWorkers.Entry,
    _ transaction: SQLiteTransaction
  ) throws -> [EnqueueOutcome] {
    let begin = ContinuousClock.now
    if jobs.count == 1,
      let (outcome, lease) = try writing(transaction).enqueueRunning(jobs[0], for: worker.request)
    {
      if let lease {
        // It is nobody else's business, so nobody is told to look.
        transaction.onCommit { worker.receive([lease], begin) }
      } else {
        // The worker's place was taken for nothing: it looks, and waits again.
        transaction.onCommit { [hub] in hub.send(.ready) }
      }
      return [outcome]
    }
    let outcomes = try writing(transaction).enqueue(jobs)
    let leases = try picker.withLock { picker in
      try rows(transaction).claim(worker.request, picker: &picker)
    }
    transaction.onCommit { [hub, room] in
      if !leases.isEmpty { worker.receive(leases, begin) }
      hub.send(.ready)
      room.send(())
    }
    return outcomes
  }

  /// The rows for an operation that writes, which writes the time down too now and then.
  private func writing(_ transaction: SQLiteTransaction) throws -> JobRows {
    let rows = rows(transaction)
    let now = rows.now
    if now >= marked.load(ordering: .relaxed).clampedSum(StoreTime.markInterval) {
      try StoreTime.mark(now, wall: clock.wall(), in: transaction)
      transaction.onCommit { [self] in marked.store(now, ordering: .relaxed) }
    }
    return rows
  }

  func rows(_ transaction: SQLiteTransaction) -> JobRows {
    JobRows(
      transaction,
      now: time.now(clock.monotonic()),
      epoch: time.epoch,
      upkeep: upkeep,
      deadRetention: deadRetention?.nanoseconds
    )
  }
}
