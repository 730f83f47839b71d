// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A sink in a SQLite database: each write is applied exactly once, whatever crashes, as the position is in the same
/// transaction as the data.
///
/// In a file of its own it makes an embedded replica: read it through a ``ReadRouter``.
///
/// ```swift
/// let replica = try await SQLiteDatabase.open(.file("replica.db"), schemas: [SQLiteWriteSink.schema, answers])
/// let sink = SQLiteWriteSink("answers", in: replica) { write, tx in
///   try tx.execute("INSERT OR REPLACE INTO answer(chat, text) VALUES(?1, ?2)", write.subject, write.payload)
/// }
/// ```
public struct SQLiteWriteSink: WriteSink {
  /// The table of positions: give it to ``SQLiteDatabase/open(_:schemas:options:)``.
  public static let schema = SQLiteSchema(
    "write-sinks",
    [
      .init(
        1,
        "CREATE TABLE write_sink(name TEXT PRIMARY KEY, position INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
      )
    ]
  )

  /// The database that holds data and position.
  public let database: SQLiteDatabase
  private let name: String
  /// Whether the closure deletes what a tenant had: else there is nothing to be emptied after an erasure.
  var emptiesLog = true
  private let body: @Sendable (StoredEvent, SQLiteTransaction) throws -> Void

  /// Creates a sink in a database that was opened with ``schema`` among its schemas.
  ///
  /// - Parameters:
  ///   - name: Different for each sink of the database.
  ///   - database: The database.
  ///   - apply: Applies one write.
  public init(
    _ name: String,
    in database: SQLiteDatabase,
    apply: @escaping @Sendable (StoredEvent, SQLiteTransaction) throws -> Void
  ) {
    self.name = name
    self.database = database
    body = apply
  }

  /// The sequence of the last write that is in the data.
  ///
  /// - Returns: The position, 0 for none.
  /// - Throws: ``StorageError``.
  public func position() async throws -> Int64 {
    try await database.read { [name] tx in try Self.position(name, in: tx) }
  }

  /// Applies writes and remembers the position in one commit; on disk when this returns.
  ///
  /// After a ``StoredEvent/erasure`` the database's log is emptied, so that its files no longer hold what the closure deleted,
  /// unless somebody reads from it for longer than a second, or that fails: what was applied stays.
  ///
  /// - Parameter writes: In rising order.
  /// - Throws: ``StorageError``, or what the closure throws: then none was applied.
  public func apply(_ writes: [StoredEvent]) async throws {
    let hasErased = try await database.write { [name, body] tx in
      var position = try Self.position(name, in: tx)
      var hasErased = false
      for write in writes where write.sequence > position {
        try body(write, tx)
        position = write.sequence
        hasErased = hasErased || write.kind == StoredEvent.erasure
      }
      try tx.execute(
        "INSERT OR REPLACE INTO write_sink(name, position) VALUES(?1, ?2)",
        name,
        position
      )
      return hasErased
    }
    if hasErased, emptiesLog { _ = try? await database.emptyLog() }
  }

  /// Lets a sink that has no position yet pass over earlier writes; one that has a position stays where it is.
  ///
  /// For a sink whose data already hold them, as when it was copied from elsewhere.
  ///
  /// - Parameter position: The last write that it shall not apply.
  /// - Throws: ``StorageError``.
  public func begin(after position: Int64) async throws {
    _ = try await database.write { [name] tx in
      try tx.execute("INSERT OR IGNORE INTO write_sink(name, position) VALUES(?1, ?2)", name, position)
    }
  }

  /// Forgets the position of a sink that is no longer used, so that it holds back no trimming of a log in its database.
  ///
  /// - Throws: ``StorageError``.
  public func retire() async throws {
    _ = try await database.write { [name] tx in
      try tx.execute("DELETE FROM write_sink WHERE name = ?1", name)
    }
  }

  /// How far each sink of a database is, whether that has any or not.
  static func positions(in tx: SQLiteTransaction) throws -> [Int64] {
    let hasSinks =
      try tx.first("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'write_sink'") { _ in true }
      ?? false
    return hasSinks ? try tx.query("SELECT position FROM write_sink") { try $0.int64(0) } : []
  }

  private static func position(_ name: String, in tx: SQLiteTransaction) throws -> Int64 {
    try tx.first("SELECT position FROM write_sink WHERE name = ?1", name) { try $0.int64(0) } ?? 0
  }
}
