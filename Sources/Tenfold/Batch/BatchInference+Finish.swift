// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore
import TenfoldJobs
import TenfoldStorage

extension BatchInference {
  /// Writes the results of a finished batch, one line each, in the input's order.
  ///
  /// The file appears whole or not at all, and is on disk when this returns. Writing it again gives the same bytes. A kill
  /// during writing leaves a file `….partial-…` beside it, which may be deleted. Where the batch isn't finished this looks for
  /// lines whose jobs will never end, and gives them an error as their result.
  ///
  /// - Parameters:
  ///   - id: The batch.
  ///   - output: The file; one there is replaced.
  /// - Throws: ``BatchError`` with code ``BatchError/Code/notFound`` or ``BatchError/Code/notFinished``;
  ///   `StorageError`; `CancellationError`.
  public func write(_ id: BatchID, to output: String) async throws {
    var batch = try await find(id)
    if !batch.progress.isFinished {
      // Nobody else may have looked: a worker alone doesn't.
      try await settleLost(id)
      batch = try await find(id)
    }
    guard batch.progress.isFinished else {
      throw BatchError(
        .notFinished,
        "\(batch.progress.open) lines of batch “\(id)” have no result yet: run a worker, or cancel it first"
      )
    }
    let file = try await DedicatedThread.run(name: "tenfold-batch") {
      try AtomicFileWriter(path: output, temporaryPrefix: "\(output).partial")
    }
    var (last, count) = (0, 0)
    while true {
      try Task.checkCancellation()
      let from = last
      let page = try await database.read { [number = batch.number] tx in
        try BatchTables.results(of: number, after: from, limit: Self.pageSize, in: tx)
      }
      guard let end = page.last else { break }
      last = end.line
      count += page.count
      try await DedicatedThread.run(name: "tenfold-batch") {
        try file.append(page.flatMap { $0.result + [0x0A] })
      }
    }
    // Somebody may have removed it from page to page; what was written until then is no whole output.
    guard count == batch.progress.settled else {
      throw BatchError(
        .notFound,
        "batch “\(id)” was removed while its results were written: \(output) is as it was"
      )
    }
    try await DedicatedThread.run(name: "tenfold-batch") { try file.commit() }
  }

  /// Cancels a batch: lines without a result get the error ``BatchError/Code/cancelled`` as theirs.
  ///
  /// What is being answered is stopped at its worker's next heartbeat. Cancelling again goes on where a kill ended it.
  ///
  /// - Parameter id: The batch.
  /// - Throws: ``BatchError`` with code ``BatchError/Code/notFound``, or `StorageError`.
  public func cancel(_ id: BatchID) async throws { try await intake.cancel(id) }

  /// Removes a batch with its results and its lines' dead letters; one that isn't finished is cancelled first.
  ///
  /// It is gone from the database when this returns, and from its file as by `SQLiteJobStore.erase(_:)`. The job of a line
  /// that is being answered ends at its worker's next heartbeat; it holds no text.
  ///
  /// - Parameter id: The batch; removing one that isn't there does nothing.
  /// - Throws: `StorageError`.
  public func remove(_ id: BatchID) async throws { try await intake.remove(id) }

  /// Removes everything that batches hold of a tenant, as ``Intake/erase(_:)`` does.
  ///
  /// - Parameter tenant: Whose batches.
  /// - Throws: `StorageError`.
  public func erase(_ tenant: TenantID) async throws { try await intake.erase(tenant) }

  /// Gives a result to lines whose jobs will never end: dead letters, and jobs that an operator cancelled or purged.
  func settleLost(_ id: BatchID) async throws {
    let batch = try await find(id)
    try await intake.forEachOpenPage(of: batch) { lines in _ = try await settleLost(lines, of: batch) }
  }

  /// Looks for lost lines on one page of the open ones, and on those that follow while there are some.
  ///
  /// - Returns: After which line to look the next time, 0 for the first.
  func settleSomeLost(_ id: BatchID, after line: Int) async throws -> Int {
    let batch = try await find(id)
    var last = line
    while true {
      let from = last
      let lines = try await database.read { tx in
        try BatchTables.openLines(of: batch.number, after: from, limit: Self.pageSize, in: tx)
      }
      guard let end = lines.last else { return 0 }
      let hasLost = try await settleLost(lines, of: batch)
      last = end.line
      if !hasLost { return lines.count < Self.pageSize ? 0 : last }
    }
  }

  /// Gives a result to those of some open lines whose jobs will never end; whether there were any.
  private func settleLost(_ lines: [BatchTables.OpenLine], of batch: BatchTables.Batch) async throws -> Bool {
    let known = try await store.observe(.init(jobs: lines.map(\.job), countsJobs: false)).jobs
    let snapshots = Dictionary(known.map { ($0.id, $0) }) { first, _ in first }
    var errors: [Int: BatchError] = [:]
    for line in lines {
      switch snapshots[line.job]?.state {
      case .ready, .running: continue
      case .dead:
        let last = snapshots[line.job]?.errors.last ?? "its worker was lost too often"
        errors[line.line] = BatchError(.dead, "the line's job failed for good: \(last)")
      default:
        // An answered line's job is gone too; it isn't open any more when its error would be written.
        errors[line.line] = BatchError(.cancelled, "the line's job was cancelled or purged")
      }
    }
    if !errors.isEmpty { try await intake.give(errors, to: batch) }
    return !errors.isEmpty
  }
}
