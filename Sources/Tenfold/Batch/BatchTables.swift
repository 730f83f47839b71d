// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import TenfoldJobs
import TenfoldStorage

/// The rows of batches, as steps inside a transaction.
///
/// A batch is one row of `batch`; counts in it change in the transaction that gives a line its result. A line is one row
/// of `batch_line`, with its text until it has a result, then with that.
enum BatchTables {
  static let schema = SQLiteSchema(
    "batches",
    [
      .init(
        1,
        """
        CREATE TABLE batch(
          batch INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, tenant TEXT NOT NULL, digest BLOB NOT NULL,
          state INTEGER NOT NULL, total INTEGER NOT NULL, taken INTEGER NOT NULL, offset INTEGER NOT NULL,
          line INTEGER NOT NULL, succeeded INTEGER NOT NULL, failed INTEGER NOT NULL, prompt_tokens INTEGER NOT NULL,
          completion_tokens INTEGER NOT NULL) STRICT;
        CREATE INDEX batch_tenant ON batch(tenant);
        CREATE TABLE batch_line(
          batch INTEGER NOT NULL, line INTEGER NOT NULL, custom_id TEXT, job BLOB NOT NULL, request BLOB, result BLOB,
          PRIMARY KEY(batch, line)) STRICT;
        CREATE UNIQUE INDEX batch_line_custom ON batch_line(batch, custom_id) WHERE custom_id IS NOT NULL;
        CREATE INDEX batch_line_open ON batch_line(batch, line) WHERE result IS NULL;
        """
      )
    ]
  )

  /// A batch's number and what is known of it.
  struct Batch: Sendable {
    var number: Int64
    var digest: [UInt8]
    var position: BatchFile.Position
    var progress: BatchProgress
  }

  /// A line that has no result yet.
  struct OpenLine: Sendable {
    var line: Int
    var job: RawJobID
  }

  /// What a job needs to answer a line.
  struct Work: Sendable {
    var batchID: BatchID
    var tenant: TenantID
    var customID: String?
    var request: [UInt8]
  }

  private static let columns = """
    batch, digest, offset, line, id, tenant, state, total, taken, succeeded, failed, prompt_tokens, completion_tokens
    """

  static func batch(_ id: BatchID, in tx: SQLiteTransaction) throws -> Batch? {
    try tx.first("SELECT \(columns) FROM batch WHERE id = ?1", id.rawValue, transform: read)
  }

  static func batches(of tenant: TenantID?, in tx: SQLiteTransaction) throws -> [Batch] {
    try tx.query(
      "SELECT \(columns) FROM batch WHERE ?1 IS NULL OR tenant = ?1 ORDER BY batch",
      tenant?.rawValue,
      transform: read
    )
  }

  private static func read(_ row: SQLiteRow) throws -> Batch {
    guard let state = BatchProgress.State(rawValue: try row.int(6)) else {
      throw StorageError(.corrupt, "a batch is in a state that doesn't exist; restore the file from a backup")
    }
    return Batch(
      number: try row.int64(0),
      digest: try row.blob(1),
      position: BatchFile.Position(offset: try row.int64(2), line: try row.int(3)),
      progress: BatchProgress(
        id: BatchID(try row.text(4)),
        tenant: TenantID(try row.text(5)),
        state: state,
        total: try row.int(7),
        taken: try row.int(8),
        succeeded: try row.int(9),
        failed: try row.int(10),
        promptTokens: try row.int(11),
        completionTokens: try row.int(12)
      )
    )
  }

  static func create(
    _ id: BatchID,
    _ tenant: TenantID,
    _ survey: BatchFile.Survey,
    in tx: SQLiteTransaction
  ) throws {
    try tx.execute(
      "INSERT INTO batch(id, tenant, digest, state, total, taken, offset, line, succeeded, failed, prompt_tokens, "
        + "completion_tokens) VALUES(?1, ?2, ?3, 0, ?4, 0, 0, 1, 0, 0, 0, 0)",
      id.rawValue,
      tenant.rawValue,
      survey.digest.bytes,
      survey.lineCount
    )
  }

  static func advance(
    _ batch: Int64,
    to position: BatchFile.Position?,
    taken: Int,
    in tx: SQLiteTransaction
  ) throws {
    try tx.execute("UPDATE batch SET taken = taken + ?2 WHERE batch = ?1", batch, taken)
    if let position {
      try tx.execute(
        "UPDATE batch SET offset = ?2, line = ?3 WHERE batch = ?1",
        batch,
        position.offset,
        position.line
      )
    } else {
      try tx.execute("UPDATE batch SET state = 1 WHERE batch = ?1", batch)
    }
  }

  static func markCancelled(_ batch: Int64, in tx: SQLiteTransaction) throws {
    try tx.execute("UPDATE batch SET state = 2 WHERE batch = ?1", batch)
  }

  // MARK: - Lines

  static func hasLine(_ customID: String, _ batch: Int64, in tx: SQLiteTransaction) throws -> Bool {
    try tx.first("SELECT 1 FROM batch_line WHERE batch = ?1 AND custom_id = ?2", batch, customID) { _ in true
    }
      ?? false
  }

  static func add(
    _ line: Int,
    _ customID: String?,
    _ job: RawJobID,
    _ request: [UInt8],
    to batch: Int64,
    in tx: SQLiteTransaction
  ) throws {
    try tx.execute(
      "INSERT INTO batch_line(batch, line, custom_id, job, request) VALUES(?1, ?2, ?3, ?4, ?5)",
      batch,
      line,
      customID,
      job.bytes,
      request
    )
  }

  /// What there is to do for a line; `nil` when it has its result or is gone.
  static func work(_ batch: Int64, _ line: Int, in tx: SQLiteTransaction) throws -> Work? {
    try tx.first(
      """
      SELECT b.id, b.tenant, l.custom_id, l.request FROM batch_line AS l JOIN batch AS b ON b.batch = l.batch
      WHERE l.batch = ?1 AND l.line = ?2 AND l.result IS NULL AND b.state <> 2
      """,
      batch,
      line
    ) { row in
      Work(
        batchID: BatchID(try row.text(0)),
        tenant: TenantID(try row.text(1)),
        customID: try row.optionalText(2),
        request: try row.optionalBlob(3) ?? []
      )
    }
  }

  /// Gives a line its result and counts it; `false` when it has one already, which then stays.
  @discardableResult
  static func record(
    _ result: BatchResult,
    for line: Int,
    of batch: Int64,
    id: BatchID,
    customID: String?,
    in tx: SQLiteTransaction
  ) throws -> Bool {
    let changed = try tx.execute(
      "UPDATE batch_line SET result = ?3, request = NULL WHERE batch = ?1 AND line = ?2 AND result IS NULL",
      batch,
      line,
      result.line(id: "\(id)-\(line)", customID: customID)
    )
    guard changed == 1 else { return false }
    try tx.execute(
      """
      UPDATE batch SET succeeded = succeeded + ?2, failed = failed + ?3, prompt_tokens = prompt_tokens + ?4,
        completion_tokens = completion_tokens + ?5 WHERE batch = ?1
      """,
      batch,
      result.isFailure ? 0 : 1,
      result.isFailure ? 1 : 0,
      result.usage.promptTokens,
      result.usage.completionTokens
    )
    return true
  }

  static func openLines(
    of batch: Int64,
    after line: Int,
    limit: Int,
    in tx: SQLiteTransaction
  ) throws -> [OpenLine] {
    try tx.query(
      "SELECT line, job FROM batch_line WHERE batch = ?1 AND line > ?2 AND result IS NULL ORDER BY line LIMIT ?3",
      batch,
      line,
      limit
    ) { row in
      guard let job = RawJobID(bytes: try row.blob(1)) else {
        throw StorageError(
          .corrupt,
          "a batch line's job has no id of 16 bytes; restore the file from a backup"
        )
      }
      return OpenLine(line: try row.int(0), job: job)
    }
  }

  static func customID(_ batch: Int64, _ line: Int, in tx: SQLiteTransaction) throws -> String? {
    try tx.first("SELECT custom_id FROM batch_line WHERE batch = ?1 AND line = ?2", batch, line) {
      try $0.optionalText(0)
    } ?? nil
  }

  /// The results of lines in the input's order.
  static func results(
    of batch: Int64,
    after line: Int,
    limit: Int,
    in tx: SQLiteTransaction
  ) throws -> [(line: Int, result: [UInt8])] {
    try tx.query(
      """
      SELECT line, result FROM batch_line WHERE batch = ?1 AND line > ?2 AND result IS NOT NULL
      ORDER BY line LIMIT ?3
      """,
      batch,
      line,
      limit
    ) { (try $0.int(0), try $0.blob(1)) }
  }

  /// The first lines of a batch: their jobs, the number of the last of them, and whether no other follows.
  static func lines(
    of batch: Int64,
    limit: Int,
    in tx: SQLiteTransaction
  ) throws -> (jobs: [RawJobID], last: Int, isLast: Bool) {
    let lines = try tx.query(
      "SELECT line, job FROM batch_line WHERE batch = ?1 ORDER BY line LIMIT ?2",
      batch,
      limit
    ) { (try $0.int(0), try $0.blob(1)) }
    // A damaged id is no reason to keep the line.
    return (lines.compactMap { RawJobID(bytes: $0.1) }, lines.last?.0 ?? 0, lines.count < limit)
  }

  /// Deletes the first lines of a batch, and the batch with the last of them; whether it is gone.
  static func remove(
    _ batch: Int64,
    through line: Int,
    isWhole: Bool,
    in tx: SQLiteTransaction
  ) throws -> Bool {
    try tx.execute("DELETE FROM batch_line WHERE batch = ?1 AND line <= ?2", batch, line)
    if isWhole { try tx.execute("DELETE FROM batch WHERE batch = ?1", batch) }
    return isWhole
  }

  /// Whether the tables are there.
  static func exist(in tx: SQLiteTransaction) throws -> Bool {
    let sql = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'batch_line'"
    return try tx.first(sql) { _ in true } ?? false
  }
}
