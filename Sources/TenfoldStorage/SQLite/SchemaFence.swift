// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Keeps a connection from a file that a newer build has migrated since it was opened.
///
/// SQLite counts in the file how often its schema was changed. Reading that costs a microsecond in each transaction; the
/// history is looked at only when the count is another than the last time.
struct SchemaFence {
  private let schemas: [SQLiteSchema]
  private var seen: Int64?

  init(_ schemas: [SQLiteSchema]) { self.schemas = schemas }

  /// Checks the file inside a transaction, before anything else is done in it.
  ///
  /// - Throws: ``StorageError`` with code ``StorageError/Code/futureFormat`` when this build may not use the file any more.
  mutating func check(_ connection: SQLiteConnection) throws {
    guard !schemas.isEmpty else { return }
    let transaction = SQLiteTransaction(connection)
    defer { transaction.end() }
    let version = try transaction.first("PRAGMA schema_version") { try $0.int64(0) }
    guard version != seen else { return }
    for schema in schemas { _ = try schema.pending(on: connection) }
    seen = version
  }
}
