// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// Conversations over an event log: each turn is an event; they are read from a projection beside the log, or from
/// replicas that have come far enough.
///
/// **Durability.** As the log's: with the default, turns that were added survive a kill and loss of power. What was
/// forgotten or erased is gone from the log and from the projection when the call returns, and from a replica once that
/// has come so far.
///
/// ```swift
/// let file = try await SQLiteDatabase.open(
///   .file("replica.db"), schemas: [SQLiteWriteSink.schema, SQLiteConversationMemory.replicaSchema])
/// let replica = SQLiteConversationMemory.replica("a", in: file)
/// let writes = WriteBehind(log: log, sink: replica)  // run() keeps the replica up to date
/// let memory = SQLiteConversationMemory(log: log, replicas: [replica])
/// ```
public struct SQLiteConversationMemory: ConversationMemory {
  /// A place to read from, and what to do first.
  private struct Source: Sendable {
    var database: SQLiteDatabase
    var prepare: @Sendable () async throws -> Void
  }

  /// The table of a replica's file: give it to ``SQLiteDatabase/open(_:schemas:options:)`` beside
  /// ``SQLiteWriteSink/schema``.
  public static let replicaSchema = SQLiteSchema("conversations", [.init(1, ConversationTable.sql)])

  private let table: RecordView<ConversationTable>
  private let router: ReadRouter<Source>

  /// Creates a memory in a log.
  ///
  /// - Parameters:
  ///   - log: The log; other records may be in it.
  ///   - replicas: Where reads that allow it go, made by ``replica(_:in:)``; each needs a ``WriteBehind`` that fills it.
  ///   - time: What the wait for a replica goes by.
  public init(log: SQLiteEventLog, replicas: [SQLiteWriteSink] = [], time: TimeSource = .system) {
    let table = RecordView(log: log, view: ConversationTable())
    self.table = table
    router = ReadRouter(
      primary: ReadReplica(
        "primary",
        source: Source(database: log.database) { try await table.catchUp() },
        position: { try await log.latest() }
      ),
      replicas: replicas.enumerated().map { index, sink in
        ReadReplica(
          "replica \(index)",
          source: Source(database: sink.database) {},
          position: { try await sink.position() }
        )
      },
      options: .init(time: time)
    )
  }

  /// What fills a replica: a sink for a ``WriteBehind`` over the memory's log.
  ///
  /// - Parameters:
  ///   - name: Different for each sink of the database.
  ///   - database: A database that was opened with ``replicaSchema`` and ``SQLiteWriteSink/schema``.
  /// - Returns: The sink.
  public static func replica(_ name: String, in database: SQLiteDatabase) -> SQLiteWriteSink {
    SQLiteWriteSink(name, in: database) { event, tx in try ConversationTable().apply(event, in: tx) }
  }

  /// What keeps the turns up to date in a ``ProjectionRunner``, so that reads needn't.
  public var projection: any Projection { table.view }

  /// Adds turns to a conversation's end in one commit; on disk when this returns.
  ///
  /// - Parameters:
  ///   - turns: At least one, in order.
  ///   - conversation: Which.
  ///   - tenant: Whose; not empty.
  /// - Returns: What a read must include to see them.
  /// - Throws: ``StorageError``: then none was added, unless its code is ``StorageError/Code/syncFailed``.
  @discardableResult
  public func append(
    _ turns: [ConversationTurn],
    to conversation: ConversationID,
    of tenant: TenantID
  ) async throws -> WriteToken {
    try StorageError.require(tenant != "", "tenant", "not empty")
    try StorageError.require(!turns.isEmpty, "turns", "at least one")
    let events = try turns.map { turn in
      NewEvent(
        kind: ConversationTable.kind,
        subject: conversation.rawValue,
        payload: try RecordCoding.encode(turn, what: "a turn"),
        tenant: tenant
      )
    }
    return WriteToken(try await table.append(events))
  }

  /// The end of a conversation, from a replica that is new enough, else from the log's own file.
  ///
  /// - Parameters:
  ///   - conversation: Which.
  ///   - tenant: Whose.
  ///   - count: How many turns at most.
  ///   - consistency: How new what is read must be; without replicas everything that was added is seen.
  /// - Returns: The newest turns, oldest first.
  /// - Throws: ``StorageError``, `CancellationError`.
  /// - Complexity: O(count), plus the events that no one has looked at yet.
  public func turns(
    of conversation: ConversationID,
    for tenant: TenantID,
    last count: Int,
    _ consistency: ReadConsistency
  ) async throws -> [ConversationTurn] {
    try await router.read(consistency) { source in
      try await source.prepare()
      return try await source.database.read { tx in
        try ConversationTable.turns(of: conversation, for: tenant, last: count, in: tx)
      }
    }
  }

  /// Deletes the turns that were said before a time, with their events, in commits of at most 1,000.
  ///
  /// - Parameter time: The first time that is kept, in nanoseconds since 1970.
  /// - Throws: ``StorageError``; what was deleted by then stays so.
  public func forget(before time: Int64) async throws {
    try await table.forget(before: time)
  }

  /// Deletes a tenant's events and turns; on disk when this returns, and gone from the file as by
  /// ``SQLiteEventLog/erase(_:)``.
  ///
  /// - Parameter tenant: Whose records, of all kinds that are in the log.
  /// - Returns: What a read must include to see nothing of it.
  /// - Throws: ``StorageError``.
  @discardableResult
  public func erase(_ tenant: TenantID) async throws -> WriteToken {
    WriteToken(try await table.erase(tenant))
  }
}
