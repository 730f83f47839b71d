// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore
public import TenfoldStorage

/// What a running job knows about its run, and what it can tell the outside.
///
/// ```swift
/// func run(_ context: JobContext) async throws {
///   var next = try context.checkpoint(as: Int.self) ?? 0
///   while next < documents.count {
///     try await embed(documents[next])
///     next += 1
///     try await context.saveCheckpoint(next)
///     context.report(fraction: Double(next) / Double(documents.count))
///   }
/// }
/// ```
public struct JobContext: Sendable {
  /// The job.
  public var id: RawJobID { lease.reference.id }
  /// The number of this run among all claims of the job.
  ///
  /// It rises: let external writes carry it and refuse older ones.
  public var fence: Int64 { lease.reference.fence }
  /// Which run of which job this is, for ``SQLiteJobStore/settle(_:in:)``.
  public var reference: JobLease.Reference { lease.reference }
  /// The number of this run, from 1; released runs and expired leases don't count.
  public var attempt: Int { lease.attempt }
  /// Whose work this is.
  public var tenant: TenantID { lease.tenant }
  /// Trace context of whoever enqueued the job.
  public var trace: [String: String] { lease.trace }
  let lease: JobLease
  let running: RunningJobs
  let store: any JobStore
  let leaseDuration: Duration

  /// What an earlier run saved.
  ///
  /// - Parameter type: The type that was saved.
  /// - Returns: The newest checkpoint of an earlier run, or `nil` when there is none.
  /// - Throws: ``JobError`` with code ``JobError/Code/undecodable``.
  public func checkpoint<Value: Decodable>(as type: Value.Type) throws -> Value? {
    guard let bytes = lease.checkpoint else { return nil }
    return try JobCoding.decode(type, from: bytes, what: "the checkpoint of job \(id)")
  }

  /// Saves how far this run has come; the next run, if one is needed, gets it.
  ///
  /// As durable as the store when this returns, also in a task that was cancelled: save, then leave. It renews the lease,
  /// unless the run has taken longer than ``JobWorker/Options/runTimeLimit``.
  ///
  /// - Parameter value: At most 64 KiB when encoded.
  /// - Throws: ``JobError`` with code ``JobError/Code/leaseLost`` when another run may have taken over,
  ///   ``JobError/Code/payloadTooLarge``, or what the store throws.
  public func saveCheckpoint(_ value: some Encodable) async throws {
    let bytes = try JobCoding.encode(value, what: "a checkpoint of job \(id)")
    try checkLease()
    try await save(JobUpdate(checkpoint: bytes))
  }

  private func save(_ update: JobUpdate) async throws {
    let begin = ContinuousClock.now
    let extent = running.extent(of: reference, lease: leaseDuration, now: begin)
    // Not in the run's own task: that may be cancelled, and a store may refuse the calls of such a one.
    let saving = Task { [store, reference] in
      try await store.extend([reference], by: extent, updates: [update])
    }
    let outcomes = try await saving.value
    guard let outcome = outcomes.first else { return }
    running.apply(outcome, to: reference, deadline: begin + extent)
    // Also where the run is over, of which nothing is known any more.
    if outcome == .lost { throw leaseLost }
  }

  /// Does a step of the job once: a later run of the job gets the output that was saved instead of doing it again.
  ///
  /// The output is as durable as the store when this returns. A kill between the work and the saving repeats the step,
  /// so its effect should be harmless the second time.
  ///
  /// ```swift
  /// let answer = try await context.step("ask") { try await model.answer(to: question) }
  /// ```
  ///
  /// - Parameters:
  ///   - name: Different for each step of the job.
  ///   - body: Does the work; its output may take 64 KiB when encoded.
  /// - Returns: The output, of this run or of an earlier one.
  /// - Throws: What `body` throws; ``JobError`` with code ``JobError/Code/leaseLost``,
  ///   ``JobError/Code/payloadTooLarge`` or ``JobError/Code/undecodable``; or what the store throws.
  public func step<Value: Codable>(_ name: String, _ body: () async throws -> Value) async throws -> Value {
    if let saved = lease.steps[name] {
      return try JobCoding.decode(Value.self, from: saved, what: "step \(name) of job \(id)")
    }
    try checkLease()
    let value = try await body()
    let bytes = try JobCoding.encode(value, what: "the output of step \(name) of job \(id)")
    try await save(JobUpdate(steps: [name: bytes]))
    return value
  }

  /// Ends the job in the same transaction as its own writes: both happen once, or neither.
  ///
  /// Works with a ``SQLiteJobStore`` and a transaction of its database. After it the job should return; a run whose
  /// transaction failed throws and is retried.
  ///
  /// ```swift
  /// try await store.database.write { tx in
  ///   try tx.execute("INSERT INTO answer(id, text) VALUES(?1, ?2)", number, text)
  ///   try context.finish(in: tx)
  /// }
  /// ```
  ///
  /// - Parameters:
  ///   - transaction: A write transaction of the store's database.
  ///   - output: What the job gives back, if anything.
  /// - Throws: ``JobError`` with code ``JobError/Code/leaseLost`` (let it undo the transaction) or
  ///   ``JobError/Code/invalidOption`` for another store; or the database's error.
  public func finish(in transaction: SQLiteTransaction, output: (any Encodable & Sendable)? = nil) throws {
    guard let store = store as? SQLiteJobStore else {
      throw JobError(.invalidOption, "only a SQLiteJobStore can end jobs in the host's transaction")
    }
    let result = try output.map { try JobCoding.encode($0, what: "the output of job \(id)") }
    guard try store.settle([JobSettlement(reference, .done(result: result))], in: transaction) == [.applied]
    else { throw leaseLost }
    // Not before: an error may still undo it, and then the run goes on.
    transaction.onCommit { [running, reference] in running.finish(reference) }
  }

  /// Tells whoever watches how far this run is; it travels with the next heartbeat.
  ///
  /// - Parameters:
  ///   - fraction: How much is done, 0…1.
  ///   - message: What is going on, for people; the first 4 KiB are kept.
  public func report(fraction: Double? = nil, message: String? = nil) {
    running.report(reference, JobUpdate(fraction: fraction.flatMap(\.asFraction), message: message))
  }

  /// Throws if this run has lost its lease: check before an effect that can't be undone.
  ///
  /// - Throws: ``JobError`` with code ``JobError/Code/leaseLost``.
  public func checkLease() throws(JobError) {
    running.stopOverdue(now: .now)
    if running.stopReason(reference) == .leaseLost { throw leaseLost }
  }

  private var leaseLost: JobError {
    JobError(.leaseLost, "run \(fence) of job \(id) lost its lease; another worker may be running it")
  }
}
