// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// A usage ledger over an event log: each call is an event, and the totals by tenant, model and day are a projection.
///
/// **Durability.** As the log's: with the default, what was booked survives a kill and loss of power, and is counted once.
/// Entries stay in the log until it is trimmed; the totals stay beyond that, but a new way of computing them starts from
/// what the log still holds. ``erase(_:)`` takes all of the tenant's events out of the log, also those of other records.
///
/// ```swift
/// let database = try await SQLiteDatabase.open(.file("records.db"), schemas: [SQLiteEventLog.schema])
/// let ledger = SQLiteUsageLedger(log: SQLiteEventLog(database: database))
/// try await ledger.book([UsageEntry(tenant: "acme", request: RequestID(), call: call)])
/// ```
public struct SQLiteUsageLedger: UsageLedger {
  private let totals: RecordView<UsageTotals>

  /// Creates a ledger in a log.
  ///
  /// - Parameter log: The log; other records may be in it.
  public init(log: SQLiteEventLog) { totals = RecordView(log: log, view: UsageTotals()) }

  /// What keeps the totals up to date in a ``ProjectionRunner``, so that reads needn't.
  public var projection: any Projection { totals.view }

  /// Books calls in one commit; on disk when this returns.
  ///
  /// - Parameter entries: Each with a tenant.
  /// - Throws: ``StorageError``: then nothing was booked, unless its code is ``StorageError/Code/syncFailed``.
  public func book(_ entries: [UsageEntry]) async throws {
    let events = try entries.map { entry in
      try StorageError.require(entry.tenant != "", "tenant", "not empty")
      return NewEvent(
        kind: UsageTotals.kind,
        subject: entry.call.model,
        payload: try RecordCoding.encode(entry, what: "a usage entry"),
        tenant: entry.tenant
      )
    }
    if !events.isEmpty { _ = try await totals.append(events) }
  }

  /// What a tenant used, by model; all that was booked before the call is in it.
  ///
  /// - Parameters:
  ///   - tenant: Whose usage.
  ///   - days: Only these days; `nil` for all.
  /// - Returns: One total for each model that was called.
  /// - Throws: ``StorageError``.
  /// - Complexity: O(days × models of the tenant), plus the events that no one has summed up yet.
  public func totals(
    of tenant: TenantID,
    days: ClosedRange<UTCDay>?
  ) async throws -> [String: UsageTotal] {
    try await totals.read { tx in try UsageTotals.totals(of: tenant, days: days, in: tx) }
  }

  /// Deletes a tenant's events and totals; on disk when this returns, and gone from the file as by
  /// ``SQLiteEventLog/erase(_:)``.
  ///
  /// - Parameter tenant: Whose records, of all kinds that are in the log.
  /// - Throws: ``StorageError``.
  public func erase(_ tenant: TenantID) async throws {
    _ = try await totals.erase(tenant)
  }
}
