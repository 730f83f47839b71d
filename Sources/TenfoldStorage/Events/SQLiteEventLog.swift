// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// An event log in a SQLite file, with projections in the same file.
///
/// **Durability.** As the database's: with the default, appended events survive a kill and loss of power.
///
/// ```swift
/// let database = try await SQLiteDatabase.open(.file("app.db"), schemas: [SQLiteEventLog.schema])
/// let log = SQLiteEventLog(database: database)
/// let token = try await log.append([NewEvent(kind: "answered.v1", subject: "chat-7", payload: bytes)])
/// try await log.takeOver(AnswersPerChat())
/// let isVisible = try await log.position(of: AnswersPerChat()) >= token
/// ```
public struct SQLiteEventLog: EventLog {
  /// The log's tables: give it to ``SQLiteDatabase/open(_:schemas:options:)``.
  public static let schema = SQLiteSchema(
    "events",
    [
      .init(
        1,
        """
        CREATE TABLE event(
          sequence INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, subject TEXT NOT NULL,
          payload BLOB NOT NULL) STRICT;
        CREATE TABLE projection(
          name TEXT NOT NULL, version INTEGER NOT NULL, position INTEGER NOT NULL, PRIMARY KEY(name, version)
        ) STRICT, WITHOUT ROWID;
        """
      ),
      .init(
        2,
        """
        ALTER TABLE event ADD COLUMN tenant TEXT NOT NULL DEFAULT '';
        CREATE INDEX event_tenant ON event(tenant) WHERE tenant <> '';
        CREATE TABLE projection_current(name TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT, WITHOUT ROWID;
        """,
        olderBuildsCanOpen: true
      ),
    ]
  )

  /// The database that holds the log.
  public let database: SQLiteDatabase
  /// Sent after each append, and after each step of a projection.
  let appended = HintHub<Void>()
  let applied = HintHub<Void>()
  /// The sinks of every ``WriteBehind`` over this value and its copies.
  let followers = LogFollowers()

  /// Creates a log in a database that was opened with ``schema`` among its schemas.
  ///
  /// - Parameter database: The database.
  public init(database: SQLiteDatabase) { self.database = database }

  /// Appends events in order, all or none; on disk when this returns.
  ///
  /// - Parameter events: At least one event.
  /// - Returns: The sequence of the last one.
  /// - Throws: ``StorageError``.
  public func append(_ events: [NewEvent]) async throws -> Int64 {
    try await database.write { tx in try append(events, in: tx) }
  }

  /// Appends events in the same transaction as the host's own writes.
  ///
  /// - Parameters:
  ///   - events: At least one event.
  ///   - transaction: A write transaction of ``database``.
  /// - Returns: The sequence of the last one.
  /// - Throws: ``StorageError``.
  public func append(_ events: [NewEvent], in transaction: SQLiteTransaction) throws -> Int64 {
    try NewEvent.check(events)
    return try insert(events, in: transaction)
  }

  private func insert(_ events: [NewEvent], in transaction: SQLiteTransaction) throws -> Int64 {
    let insert = try transaction.prepare(
      "INSERT INTO event(kind, subject, payload, tenant) VALUES(?1, ?2, ?3, ?4)"
    )
    for event in events {
      try insert.run(event.kind, event.subject, event.payload, event.tenant.rawValue)
    }
    transaction.onCommit { [appended] in appended.send(()) }
    return transaction.lastInsertedRowID
  }

  /// Reads events in order.
  ///
  /// - Parameters:
  ///   - sequence: Only events after this one.
  ///   - limit: How many at most.
  /// - Returns: The events.
  /// - Throws: ``StorageError``.
  public func events(after sequence: Int64, limit: Int) async throws -> [StoredEvent] {
    try await database.read { tx in try Self.events(after: sequence, limit: limit, in: tx) }
  }

  /// The newest event's position.
  ///
  /// - Returns: Its sequence, 0 when there never was an event.
  /// - Throws: ``StorageError``.
  public func latest() async throws -> Int64 {
    try await database.read { tx in try Self.latest(in: tx) }
  }

  /// Deletes the events of a tenant, in several commits, so that writers needn't wait for long; the last one appends the
  /// event that says so.
  ///
  /// Killed in between, it has deleted some and no event says so: call it again, which finishes it. What is deleted is
  /// overwritten in the file, and the write-ahead log is emptied at the end. Where reads or other processes keep that log
  /// for longer than a second its old pages stay until it is written anew, or the database closed. When SQLite moved rows
  /// between pages it may have left copies in a page's unused part; ``SQLiteDatabase/compact()`` leaves nothing.
  ///
  /// - Parameter tenant: Whose events.
  /// - Returns: The sequence of the event that says so.
  /// - Throws: ``StorageError``; what was deleted by then stays so.
  public func erase(_ tenant: TenantID) async throws -> Int64 {
    let sequence = try await eraseEvents(of: tenant)
    _ = try await database.emptyLog()
    return sequence
  }

  /// As ``erase(_:)``, but leaves the write-ahead log to the caller.
  ///
  /// The rows of records go before the events. Otherwise the projections would delete all of them in the one commit that
  /// applies the event which says so.
  func eraseEvents(
    of tenant: TenantID,
    step: Int = 1000,
    between: () throws -> Void = {}
  ) async throws -> Int64 {
    guard tenant != "" else { throw StorageError(.invalidOption, "erase needs the name of a tenant") }
    for table in RecordTables.names {
      var count = step
      while count == step {
        count = try await database.write { tx in
          try RecordTables.erase(tenant, from: table, limit: step, in: tx)
        }
        if count == step { try between() }
      }
    }
    // A row for each model and day: few.
    try await database.write { tx in try RecordTables.eraseTotals(of: tenant, in: tx) }
    while true {
      let sequence = try await database.write { tx -> Int64? in
        let count = try tx.execute(
          """
          DELETE FROM event WHERE sequence IN (SELECT sequence FROM event WHERE tenant = ?1 AND tenant <> '' LIMIT ?2)
          """,
          tenant.rawValue,
          step
        )
        guard count < step else { return nil }
        let erasure = NewEvent(kind: StoredEvent.erasure, subject: tenant.rawValue, payload: [])
        return try insert([erasure], in: tx)
      }
      if let sequence { return sequence }
      try between()
    }
  }

  /// Deletes the events up to a position, in several commits, so that writers needn't wait for long.
  ///
  /// - Parameter sequence: The last event to delete.
  /// - Throws: ``StorageError``.
  public func trim(through sequence: Int64) async throws {
    while true {
      let count = try await database.write { tx in
        try tx.execute(
          """
          DELETE FROM event WHERE sequence IN (SELECT sequence FROM event WHERE sequence <= ?1 ORDER BY sequence LIMIT 1000)
          """,
          sequence
        )
      }
      if count < 1000 { return }
    }
  }

  /// Hints of events appended through this value and its copies.
  public var hints: AsyncStream<Void> { appended.stream() }

  static func latest(in tx: SQLiteTransaction) throws -> Int64 {
    // The counter outlives events that were erased or trimmed.
    try tx.first("SELECT seq FROM sqlite_sequence WHERE name = 'event'") { try $0.int64(0) } ?? 0
  }

  static func events(
    after sequence: Int64,
    limit: Int,
    in tx: SQLiteTransaction
  ) throws -> [StoredEvent] {
    try tx.query(
      """
      SELECT sequence, kind, subject, payload, tenant FROM event WHERE sequence > ?1 ORDER BY sequence LIMIT ?2
      """,
      sequence,
      max(0, limit)
    ) { row in
      StoredEvent(
        sequence: try row.int64(0),
        kind: try row.text(1),
        subject: try row.text(2),
        payload: try row.blob(3),
        tenant: TenantID(try row.text(4))
      )
    }
  }
}
