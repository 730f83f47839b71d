// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// A projection of one table with a row for each record: columns `sequence`, `tenant` and `time`, and its own.
protocol RecordTable: Projection {
  static var table: String { get }
  /// The kind of the event by which old rows are deleted.
  static var forgotten: String { get }
}

extension RecordTable {
  func discard(in tx: SQLiteTransaction) throws { try tx.execute("DROP TABLE IF EXISTS \(Self.table)") }

  /// Deletes what an event says is to be deleted; `false` where it says nothing of the kind.
  func deletes(_ event: StoredEvent, in tx: SQLiteTransaction) throws -> Bool {
    switch event.kind {
    case StoredEvent.erasure:
      try tx.execute("DELETE FROM \(Self.table) WHERE tenant = ?1", event.subject)
    case Self.forgotten:
      let time = try RecordCoding.decode(Forgetting.self, from: event).before
      try tx.execute("DELETE FROM \(Self.table) WHERE time < ?1", time)
    default: return false
    }
    return true
  }
}

/// The tables of records in the log's own file.
enum RecordTables {
  static let names = [ConversationTable.table, QueryTable.table]

  /// Deletes rows of a tenant from a table, if that is there; how many.
  static func erase(
    _ tenant: TenantID,
    from table: String,
    limit: Int,
    in tx: SQLiteTransaction
  ) throws -> Int {
    guard try isThere(table, in: tx) else { return 0 }
    return try tx.execute(
      "DELETE FROM \(table) WHERE sequence IN (SELECT sequence FROM \(table) WHERE tenant = ?1 LIMIT ?2)",
      tenant.rawValue,
      limit
    )
  }
}

extension RecordTables {
  /// Deletes what a tenant has used, if the ledger's table is there.
  static func eraseTotals(of tenant: TenantID, in tx: SQLiteTransaction) throws {
    guard try isThere(UsageTotals.table, in: tx) else { return }
    try tx.execute("DELETE FROM \(UsageTotals.table) WHERE tenant = ?1", tenant.rawValue)
  }

  private static func isThere(_ table: String, in tx: SQLiteTransaction) throws -> Bool {
    try tx.first("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1", table) { _ in true }
      ?? false
  }
}

/// What an event says that makes a projection forget its old records.
struct Forgetting: Codable {
  /// The first time that is kept, in nanoseconds since 1970.
  var before: Int64
}

extension RecordView where View: RecordTable {
  /// Deletes the records from before a time, with their events, and says so by an event.
  ///
  /// In several commits, so that writers needn't wait for long; killed in between, it goes on when it is called again.
  func forget(before time: Int64) async throws {
    try await catchUp()
    while true {
      let count = try await log.database.write { tx in
        let old = try tx.query("SELECT sequence FROM \(View.table) WHERE time < ?1 LIMIT 1000", time) {
          try $0.int64(0)
        }
        for sequence in old {
          try tx.execute("DELETE FROM event WHERE sequence = ?1", sequence)
          try tx.execute("DELETE FROM \(View.table) WHERE sequence = ?1", sequence)
        }
        return old.count
      }
      if count < 1000 { break }
    }
    // Replicas, and other versions, follow by this.
    let payload = try RecordCoding.encode(Forgetting(before: time), what: "a retention")
    _ = try await log.append([NewEvent(kind: View.forgotten, subject: "", payload: payload)])
  }
}
