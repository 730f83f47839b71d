// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// A query log over an event log: each question is an event, and what is looked at is a projection.
///
/// **Durability.** As the log's: with the default, what was kept survives a kill and loss of power. What was forgotten or
/// erased is gone from the log and from the projection; SQLite reuses its place in the file.
///
/// ```swift
/// let queries = SQLiteQueryLog(log: SQLiteEventLog(database: database))
/// try await queries.forget(before: WallClock.nanoseconds() - 30 * 86_400 * 1_000_000_000)
/// ```
public struct SQLiteQueryLog: QueryLog {
  private let table: RecordView<QueryTable>

  /// Creates a query log in an event log.
  ///
  /// - Parameter log: The event log; other records may be in it.
  public init(log: SQLiteEventLog) { table = RecordView(log: log, view: QueryTable()) }

  /// What keeps the table up to date in a ``ProjectionRunner``, so that reads needn't.
  public var projection: any Projection { table.view }

  /// Keeps questions in one commit; on disk when this returns.
  ///
  /// - Parameter queries: Each with a tenant.
  /// - Throws: ``StorageError``: then nothing was kept, unless its code is ``StorageError/Code/syncFailed``.
  public func record(_ queries: [LoggedQuery]) async throws {
    let events = try queries.map { query in
      try StorageError.require(query.tenant != "", "tenant", "not empty")
      return NewEvent(
        kind: QueryTable.kind,
        subject: query.request.rawValue,
        payload: try RecordCoding.encode(query, what: "a question"),
        tenant: query.tenant
      )
    }
    if !events.isEmpty { _ = try await table.append(events) }
  }

  /// A tenant's newest questions.
  ///
  /// - Parameters:
  ///   - tenant: Whose questions.
  ///   - limit: How many at most.
  /// - Returns: The newest first.
  /// - Throws: ``StorageError``.
  /// - Complexity: O(limit), plus the events that no one has looked at yet.
  public func recent(of tenant: TenantID, limit: Int) async throws -> [LoggedQuery] {
    try await table.read { tx in try QueryTable.recent(of: tenant, limit: limit, in: tx) }
  }

  /// A tenant's most frequent questions.
  ///
  /// - Parameters:
  ///   - tenant: Whose questions.
  ///   - time: Only questions from then on, in nanoseconds since 1970.
  ///   - limit: How many at most.
  /// - Returns: The most frequent first, equals by text.
  /// - Throws: ``StorageError``.
  /// - Complexity: O(*n* log *n*) for *n* questions of the tenant.
  public func frequent(of tenant: TenantID, since time: Int64, limit: Int) async throws -> [FrequentQuery] {
    try await table.read { tx in try QueryTable.frequent(of: tenant, since: time, limit: limit, in: tx) }
  }

  /// Deletes the questions that were asked before a time, with their events, in commits of at most 1,000.
  ///
  /// - Parameter time: The first time that is kept, in nanoseconds since 1970.
  /// - Throws: ``StorageError``; what was deleted by then stays so.
  public func forget(before time: Int64) async throws {
    try await table.forget(before: time)
  }

  /// Deletes a tenant's events and questions; on disk when this returns, and gone from the file as by
  /// ``SQLiteEventLog/erase(_:)``.
  ///
  /// - Parameter tenant: Whose records, of all kinds that are in the log.
  /// - Throws: ``StorageError``.
  public func erase(_ tenant: TenantID) async throws {
    _ = try await table.erase(tenant)
  }
}
