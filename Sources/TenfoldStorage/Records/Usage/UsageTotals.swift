// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// The projection behind ``SQLiteUsageLedger``: one row for each tenant, model and day.
struct UsageTotals: Projection {
  static let kind = "usage.v1"
  static let table = "usage_total_1"

  let name = "usage_totals"
  let version = 1

  func prepare(in tx: SQLiteTransaction) throws {
    try tx.execute(
      """
      CREATE TABLE IF NOT EXISTS \(Self.table)(
        tenant TEXT NOT NULL, model TEXT NOT NULL, day INTEGER NOT NULL, calls INTEGER NOT NULL,
        prompt INTEGER NOT NULL, cached INTEGER NOT NULL, completion INTEGER NOT NULL, cost INTEGER NOT NULL,
        PRIMARY KEY(tenant, day, model)) STRICT, WITHOUT ROWID
      """
    )
  }

  func apply(_ event: StoredEvent, in tx: SQLiteTransaction) throws {
    switch event.kind {
    case StoredEvent.erasure: try tx.execute("DELETE FROM \(Self.table) WHERE tenant = ?1", event.subject)
    case Self.kind:
      let entry = try RecordCoding.decode(UsageEntry.self, from: event)
      let day = UTCDay(containing: entry.time)
      // Added here and not by SQLite, whose sums turn into floating point when they overflow.
      var total =
        try tx.first(
          """
          SELECT calls, prompt, cached, completion, cost FROM \(Self.table)
          WHERE tenant = ?1 AND day = ?2 AND model = ?3
          """,
          entry.tenant.rawValue,
          day.number,
          entry.call.model
        ) { try Self.total($0, from: 0) } ?? UsageTotal()
      total.add(UsageTotal(entry.call))
      try tx.execute(
        "INSERT OR REPLACE INTO \(Self.table) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        entry.tenant.rawValue,
        entry.call.model,
        day.number,
        total.calls,
        total.promptTokens,
        total.cachedPromptTokens,
        total.completionTokens,
        total.cost.nanodollars
      )
    default: break
    }
  }

  func discard(in tx: SQLiteTransaction) throws { try tx.execute("DROP TABLE IF EXISTS \(Self.table)") }

  static func totals(
    of tenant: TenantID,
    days: ClosedRange<UTCDay>?,
    in tx: SQLiteTransaction
  ) throws -> [String: UsageTotal] {
    let rows = try tx.query(
      """
      SELECT model, calls, prompt, cached, completion, cost FROM \(Self.table)
      WHERE tenant = ?1 AND day BETWEEN ?2 AND ?3
      """,
      tenant.rawValue,
      days?.lowerBound.number ?? .min,
      days?.upperBound.number ?? .max
    ) { row in (try row.text(0), try total(row, from: 1)) }
    return rows.reduce(into: [String: UsageTotal]()) { $0[$1.0, default: UsageTotal()].add($1.1) }
  }

  private static func total(_ row: SQLiteRow, from column: Int) throws -> UsageTotal {
    var total = UsageTotal()
    total.calls = try row.int(column)
    total.promptTokens = try row.int(column + 1)
    total.cachedPromptTokens = try row.int(column + 2)
    total.completionTokens = try row.int(column + 3)
    total.cost = Money(nanodollars: try row.int64(column + 4))
    return total
  }
}
