// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore
import TenfoldJobs
package import TenfoldStorage

extension BatchInference {
  /// Whether a database has the tables of batches, so that opening it with ``schema`` adds none.
  package static func hasTables(in database: SQLiteDatabase) async throws -> Bool {
    try await database.read { tx in try BatchTables.exist(in: tx) }
  }
}

extension BatchInference.Intake {
  /// Removes everything that batches hold of a tenant; those that aren't finished are cancelled first.
  ///
  /// Requests, results and the lines' dead letters are gone from the database when this returns, and from its file as by
  /// `SQLiteJobStore.erase(_:)`. Call that, too: it takes the tenant's other jobs, and those of lines that are being
  /// answered, which hold no text. Backups and output files that were made before hold the tenant still.
  ///
  /// - Parameter tenant: Whose batches.
  /// - Returns: How many batches this call removed.
  /// - Throws: `StorageError`.
  @discardableResult
  public func erase(_ tenant: TenantID) async throws -> Int {
    let batches = try await database.read { tx in try BatchTables.batches(of: tenant, in: tx) }
    for batch in batches { try await removeRows(of: batch.progress.id) }
    _ = try await database.emptyLog()
    return batches.count
  }

  func remove(_ id: BatchID) async throws {
    try await removeRows(of: id)
    _ = try await database.emptyLog()
  }

  func cancel(_ id: BatchID) async throws {
    let batch = try await find(id)
    if batch.progress.state == .answering, batch.progress.isFinished { return }
    try await database.write { tx in try BatchTables.markCancelled(batch.number, in: tx) }
    let error = BatchError(.cancelled, "the batch was cancelled")
    try await forEachOpenPage(of: batch) { lines in
      try await store.control(.cancel(lines.map(\.job)))
      try await give(Dictionary(uniqueKeysWithValues: lines.map { ($0.line, error) }), to: batch)
    }
  }

  private func removeRows(of id: BatchID) async throws {
    let number: Int64
    do {
      try await cancel(id)
      number = try await find(id).number
    } catch let error as BatchError where error.code == .notFound { return }
    while true {
      let page = try await database.read { tx in
        try BatchTables.lines(of: number, limit: BatchInference.pageSize, in: tx)
      }
      // A dead letter keeps the texts of its errors; purging does nothing to jobs in other states.
      try await store.control(.purge(page.jobs))
      let isGone = try await database.write { tx in
        try BatchTables.remove(number, through: page.last, isWhole: page.isLast, in: tx)
      }
      if isGone { return }
    }
  }

  func forEachOpenPage(
    of batch: BatchTables.Batch,
    _ body: ([BatchTables.OpenLine]) async throws -> Void
  ) async throws {
    var last = 0
    while true {
      let from = last
      let lines = try await database.read { tx in
        try BatchTables.openLines(of: batch.number, after: from, limit: BatchInference.pageSize, in: tx)
      }
      guard let end = lines.last else { return }
      try await body(lines)
      last = end.line
    }
  }

  func give(_ errors: [Int: BatchError], to batch: BatchTables.Batch) async throws {
    try await database.write { tx in
      for (line, error) in errors.sorted(by: { $0.key < $1.key }) {
        try BatchTables.record(
          BatchLineVerdict.failure(error),
          for: line,
          of: batch.number,
          id: batch.progress.id,
          customID: try BatchTables.customID(batch.number, line, in: tx),
          in: tx
        )
      }
    }
  }

  func find(_ id: BatchID) async throws -> BatchTables.Batch {
    let batch = try await database.read { tx in try BatchTables.batch(id, in: tx) }
    guard let batch else {
      throw BatchError(.notFound, "there is no batch “\(id)”: submit it first, or check its name")
    }
    return batch
  }
}
