// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore
public import TenfoldJobs
import TenfoldStorage

extension BatchInference {
  /// Takes batches in without a model: what is wrong with the input shows before one is loaded, and other machines answer.
  ///
  /// Erasing a tenant's batches needs no model, either.
  ///
  /// ```swift
  /// let intake = BatchInference.Intake(store: store)
  /// try await intake.submit("questions.jsonl", as: "nightly", for: "acme")
  /// ```
  public struct Intake: Sendable {
    /// Where the lines' jobs go.
    public let store: SQLiteJobStore
    /// How batches are taken in.
    public let options: Options
    var database: SQLiteDatabase { store.database }

    /// Creates the intake of a store; nothing runs yet.
    ///
    /// - Parameters:
    ///   - store: A store whose database was opened with ``BatchInference/schema`` among its schemas.
    ///   - options: How batches are taken in; queue and attempts must be those of whoever answers.
    public init(store: SQLiteJobStore, options: Options = Options()) {
      self.store = store
      self.options = options
    }
  }

  /// Takes in a file, as ``Intake/submit(_:as:for:)`` does.
  ///
  /// - Parameters:
  ///   - input: A file of JSON lines; blank lines are passed over.
  ///   - id: The batch's name.
  ///   - tenant: Whose batch it is.
  /// - Returns: The counts so far.
  /// - Throws: As ``Intake/submit(_:as:for:)``.
  @discardableResult
  public func submit(
    _ input: String,
    as id: BatchID,
    for tenant: TenantID
  ) async throws -> BatchProgress {
    try await intake.submit(input, as: id, for: tenant)
  }
}

extension BatchInference.Intake {
  /// Takes in a file: when this returns, every line is in the database and has its job.
  ///
  /// The lines' jobs can be answered while the rest is taken in. Submitting the same file under the same name again does
  /// nothing, or goes on where a kill or a cancellation ended it.
  ///
  /// - Parameters:
  ///   - input: A file of JSON lines; blank lines are passed over.
  ///   - id: The batch's name.
  ///   - tenant: Whose batch it is: its share of the queue, its budget, its caches.
  /// - Returns: The counts so far.
  /// - Throws: ``BatchError``: of the first bad line when ``BatchInference/Options/badLines`` is ``BatchInference/BadLines/refuse``, then nothing is taken
  ///   in; or with code ``BatchError/Code/emptyInput``, ``BatchError/Code/inputChanged``,
  ///   ``BatchError/Code/cancelled`` or ``BatchError/Code/inputOutput``. `StorageError`, `CancellationError`.
  /// - Complexity: Reads the file twice, O(bytes); when bad lines are refused all `custom_id`s are in memory at once.
  @discardableResult
  public func submit(
    _ input: String,
    as id: BatchID,
    for tenant: TenantID
  ) async throws -> BatchProgress {
    try options.validate()
    let file = BatchFile(path: input, maximumLineInBytes: options.maximumLineInBytes)
    let (isChecked, maxTokens) = (options.badLines == .refuse, options.defaultMaxTokens)
    let survey = try await DedicatedThread.run(name: "tenfold-batch") {
      try file.survey(isChecked: isChecked, defaultMaxTokens: maxTokens)
    }
    var batch = try await begin(id, tenant, survey)
    while batch.progress.state == .submitting {
      try Task.checkCancellation()
      let position = batch.position
      let piece = try await DedicatedThread.run(name: "tenfold-batch") {
        try file.lines(from: position, count: BatchInference.pageSize)
      }
      batch = try await take(piece.lines, from: position, to: piece.next, of: id)
    }
    return batch.progress
  }

  private func begin(
    _ id: BatchID,
    _ tenant: TenantID,
    _ survey: BatchFile.Survey
  ) async throws -> BatchTables.Batch {
    let batch = try await database.write { tx in
      if try BatchTables.batch(id, in: tx) == nil { try BatchTables.create(id, tenant, survey, in: tx) }
      return try BatchTables.batch(id, in: tx)
    }
    guard let batch else { throw BatchError(.notFound, "batch “\(id)” vanished while it was begun") }
    guard batch.digest == survey.digest.bytes, batch.progress.tenant == tenant else {
      throw BatchError(
        .inputChanged,
        "batch “\(id)” was begun with another input or for another tenant: choose another name, or remove it first"
      )
    }
    if batch.progress.state == .cancelled {
      throw BatchError(.cancelled, "batch “\(id)” was cancelled: choose another name, or remove it first")
    }
    return batch
  }

  /// Takes in the lines of one piece and their jobs, all or none.
  private func take(
    _ lines: [BatchFile.Line],
    from: BatchFile.Position,
    to next: BatchFile.Position?,
    of id: BatchID
  ) async throws -> BatchTables.Batch {
    let batch = try await database.write { tx -> BatchTables.Batch? in
      guard let batch = try BatchTables.batch(id, in: tx) else { return nil }
      // Another process may be taking in the same file, or the batch was cancelled.
      guard batch.progress.state == .submitting, batch.position == from else { return batch }
      var jobs: [NewJob] = []
      for line in lines {
        if let job = try add(line, to: batch, in: tx) { jobs.append(job) }
      }
      _ = try store.enqueue(jobs, in: tx)
      try BatchTables.advance(batch.number, to: next, taken: lines.count, in: tx)
      guard next != nil || batch.progress.taken &+ lines.count == batch.progress.total else {
        throw BatchError(.inputChanged, "the input of batch “\(id)” was changed while it was read")
      }
      return try BatchTables.batch(id, in: tx)
    }
    guard let batch else { throw BatchError(.notFound, "batch “\(id)” was removed while it was submitted") }
    if batch.progress.state == .cancelled {
      throw BatchError(.cancelled, "batch “\(id)” was cancelled while it was submitted")
    }
    return batch
  }

  /// Adds a line; the job that answers it, or `nil` when its error is its result.
  private func add(
    _ line: BatchFile.Line,
    to batch: BatchTables.Batch,
    in tx: SQLiteTransaction
  ) throws -> NewJob? {
    let job = try NewJob(
      AnswerBatchLine(batch: batch.number, line: line.number),
      options: JobOptions(
        queue: options.queue,
        priority: .background,
        tenant: batch.progress.tenant,
        // One more than the line's own limit: its last failure is written as its result, not as a dead letter.
        maximumAttempts: min(options.maximumAttempts, .max - 1) + 1,
        resultRetention: .zero
      )
    )
    var customID: String?
    do throws(BatchError) {
      let request = try BatchRequest(
        line,
        limit: options.maximumLineInBytes,
        defaultMaxTokens: options.defaultMaxTokens
      )
      customID = request.customID
      if let id = customID {
        let isKnown: Bool
        do { isKnown = try BatchTables.hasLine(id, batch.number, in: tx) } catch {
          throw BatchError(.inputOutput, "the batch's lines can't be read: \(error)", underlying: error)
        }
        if isKnown { throw BatchRequest.duplicate(id, line.number) }
      }
    } catch {
      guard options.badLines == .report, error.code != .inputOutput else { throw error }
      // The line's name stands in its result only: in the table it is that of a good line, which may follow or be there.
      try BatchTables.add(line.number, nil, job.id, [], to: batch.number, in: tx)
      try BatchTables.record(
        BatchLineVerdict.failure(error),
        for: line.number,
        of: batch.number,
        id: batch.progress.id,
        customID: customID ?? error.customID,
        in: tx
      )
      return nil
    }
    try BatchTables.add(line.number, customID, job.id, line.bytes ?? [], to: batch.number, in: tx)
    return job
  }
}
