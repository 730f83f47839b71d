// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// An event log in a SQLite file, with projections in the same file.
///
/// **Durability.** As the database's: with the default, appended events survive a kill and loss of power.
///
/// ```swift
/// let database = try await SQLiteDatabase.open(.file("app.db"), schemas: [SQLiteEventLog.schema])
/// let log = SQLiteEventLog(database: database)
/// let token = try await log.append([NewEvent(kind: "answered.v1", subject: "chat-7", payload: bytes)])
/// try await log.catchUp(AnswersPerChat())
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
      )
    ]
  )

  /// The database that holds the log.
  public let database: SQLiteDatabase

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
    guard !events.isEmpty else { throw StorageError(.invalidOption, "append needs at least one event") }
    let insert = try transaction.prepare("INSERT INTO event(kind, subject, payload) VALUES(?1, ?2, ?3)")
    for event in events { try insert.run(event.kind, event.subject, event.payload) }
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

  /// Applies the events that a projection hasn't seen, in transactions of at most `batch` events.
  ///
  /// Cancelling stops between batches; what was applied stays.
  ///
  /// - Parameters:
  ///   - projection: The view to bring up to date.
  ///   - batch: Events for each transaction, at least 1.
  /// - Returns: The position reached: the newest event when this began, or later.
  /// - Throws: ``StorageError``, `CancellationError`, or what the projection throws: then that batch is undone.
  @discardableResult
  public func catchUp(_ projection: some Projection, batch: Int = 500) async throws -> Int64 {
    while true {
      try Task.checkCancellation()
      let (position, count) = try await database.write { tx -> (Int64, Int) in
        try projection.prepare(in: tx)
        let position = try Self.position(of: projection, in: tx)
        let events = try Self.events(after: position, limit: max(1, batch), in: tx)
        for event in events { try projection.apply(event, in: tx) }
        guard let last = events.last else { return (position, 0) }
        try tx.execute(
          "INSERT OR REPLACE INTO projection(name, version, position) VALUES(?1, ?2, ?3)",
          projection.name,
          projection.version,
          last.sequence
        )
        return (last.sequence, events.count)
      }
      if count < max(1, batch) { return position }
    }
  }

  /// How far a projection has come.
  ///
  /// - Parameter projection: The view.
  /// - Returns: The sequence of the last event it has applied, 0 for none.
  /// - Throws: ``StorageError``.
  public func position(of projection: some Projection) async throws -> Int64 {
    try await database.read { tx in try Self.position(of: projection, in: tx) }
  }

  private static func position(of projection: some Projection, in tx: SQLiteTransaction) throws -> Int64 {
    try tx.first(
      "SELECT position FROM projection WHERE name = ?1 AND version = ?2",
      projection.name,
      projection.version
    ) { try $0.int64(0) } ?? 0
  }

  private static func events(
    after sequence: Int64,
    limit: Int,
    in tx: SQLiteTransaction
  ) throws -> [StoredEvent] {
    try tx.query(
      "SELECT sequence, kind, subject, payload FROM event WHERE sequence > ?1 ORDER BY sequence LIMIT ?2",
      sequence,
      max(0, limit)
    ) { row in
      StoredEvent(
        sequence: try row.int64(0),
        kind: try row.text(1),
        subject: try row.text(2),
        payload: try row.blob(3)
      )
    }
  }
}
