// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore
public import TenfoldJobs
public import TenfoldStorage

/// Answers files of requests at background priority: JSON lines in, JSON lines out, one result for each line.
///
/// Input and output have the form of the widely used batch API: `custom_id`, `url` and `body` in, `custom_id`, `response`
/// and `error` out, in the input's order. Each line is a job of its own in a queue of its own; its result and the end of
/// its job are one commit.
///
/// **Durability.** When ``submit(_:as:for:)`` returns, every line is in the database and the input file isn't needed any
/// more. A kill at any moment loses no line and writes none twice: submit again, or run a worker again, and what has a
/// result keeps it. A line that was being answered then is asked again. The output file appears whole or not at all. With
/// the database's default this holds for loss of power too.
///
/// **Beside live traffic.** Lines are asked with `RequestPriority.background`, so an admission layer turns them away
/// first; a line that was turned away waits and that costs it no attempt. With ``Options/yieldsTo`` a line is answered only
/// while no live request is.
///
/// **On machines that may vanish.** Cancelling the task of ``answer(_:to:as:for:)``, or draining a worker made by
/// ``makeWorker()`` when the notice comes, stops what is being answered and gives it back without cost.
///
/// Batches for another model need a queue of their own: any worker of a queue answers its lines.
///
/// ```swift
/// let database = try await SQLiteDatabase.open(
///   .file("jobs.db"), schemas: [SQLiteJobStore.schema, BatchInference.schema])
/// let batches = BatchInference(store: try await SQLiteJobStore.open(in: database), model: pipeline)
/// let done = try await batches.answer("questions.jsonl", to: "answers.jsonl", as: "nightly", for: "acme")
/// print("\(done.succeeded) answered, \(done.failed) failed")
/// ```
public struct BatchInference: Sendable {
  /// The tables of batches: give it to `SQLiteDatabase.open` beside the job store's.
  public static let schema = BatchTables.schema
  /// Lines of one transaction.
  static let pageSize = 500

  /// Where the lines' jobs are.
  public let store: SQLiteJobStore
  /// What answers, whatever model a line names.
  public let model: any LanguageModel
  /// How batches are taken in and answered.
  public let options: Options
  var database: SQLiteDatabase { store.database }
  /// What needs no model.
  var intake: Intake { Intake(store: store, options: options) }

  /// Creates the batches of a store; nothing runs yet.
  ///
  /// - Parameters:
  ///   - store: A store whose database was opened with ``schema`` among its schemas.
  ///   - model: What answers; a whole pipeline is a model too.
  ///   - options: How batches are taken in and answered.
  public init(store: SQLiteJobStore, model: any LanguageModel, options: Options = Options()) {
    self.store = store
    self.model = model
    self.options = options
  }

  /// Takes in a file, answers it, and writes the output: the whole of a batch in one call.
  ///
  /// Call it again with the same arguments after a kill, or after it was cancelled: it goes on.
  ///
  /// - Parameters:
  ///   - input: A file of JSON lines.
  ///   - output: Where the results go; a file there is replaced in the end.
  ///   - id: The batch's name.
  ///   - tenant: Whose batch it is.
  /// - Returns: The counts of the finished batch.
  /// - Throws: What ``submit(_:as:for:)`` and ``write(_:to:)`` throw; `CancellationError` when the task is cancelled: what
  ///   was being answered is given back.
  @discardableResult
  public func answer(
    _ input: String,
    to output: String,
    as id: BatchID,
    for tenant: TenantID
  ) async throws -> BatchProgress {
    try await submit(input, as: id, for: tenant)
    let worker = makeWorker()
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await worker.run() }
      group.addTask {
        for try await _ in progress(of: id) {}
        worker.drain()
      }
      // Whoever fails ends the other: waitForAll would go on waiting for lines that nobody answers any more.
      while try await group.next() != nil {}
    }
    // A cancelled worker returns as if it had been drained.
    try Task.checkCancellation()
    try await write(id, to: output)
    return try await status(of: id)
  }

  /// Makes a worker that answers the lines of all batches of the store.
  ///
  /// A line whose job dies, or is cancelled or purged by an operator, has no run that could give it a result: reading
  /// ``progress(of:)``, or ``write(_:to:)``, does.
  ///
  /// - Returns: A worker to run; several may run, also in other processes.
  public func makeWorker() -> JobWorker {
    JobWorker(
      store: store,
      options: JobWorker.Options(
        queues: [options.queue],
        concurrency: options.concurrency,
        lease: options.lease,
        pollInterval: options.pollInterval,
        retry: options.retry,
        workerID: "batch"
      ),
      handlers: register
    )
  }

  /// Lets a worker of the host answer lines beside its other jobs.
  ///
  /// - Parameter handlers: The worker's handlers; the worker must serve ``Options/queue``.
  public func register(in handlers: inout JobHandlers) {
    handlers.handle(AnswerBatchLine.self) { job, context in try await answer(job, context) }
  }

  // MARK: - Looking

  /// How far a batch is.
  ///
  /// It only reads: lines whose jobs will never end count as open until ``progress(of:)`` or ``write(_:to:)`` has looked for
  /// them, so don't wait by this alone for a batch to finish.
  ///
  /// - Parameter id: The batch.
  /// - Returns: Its counts.
  /// - Throws: ``BatchError`` with code ``BatchError/Code/notFound``, or `StorageError`.
  /// - Complexity: O(1), however many lines it has.
  public func status(of id: BatchID) async throws -> BatchProgress { try await find(id).progress }

  /// How far a batch is, as it changes.
  ///
  /// Meanwhile lines whose jobs will never end get an error as their result, so that it comes to an end.
  ///
  /// - Parameter id: The batch.
  /// - Returns: The present state, then each change until it is finished.
  public func progress(of id: BatchID) -> BatchProgressUpdates { BatchProgressUpdates(batches: self, id: id) }

  /// All batches, oldest first.
  ///
  /// - Parameter tenant: Only this tenant's; `nil` for all.
  /// - Returns: Their counts.
  /// - Throws: `StorageError`.
  public func list(for tenant: TenantID? = nil) async throws -> [BatchProgress] {
    try await database.read { tx in try BatchTables.batches(of: tenant, in: tx).map(\.progress) }
  }

  func find(_ id: BatchID) async throws -> BatchTables.Batch { try await intake.find(id) }
}
