// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// The projection behind ``SQLiteQueryLog``: one row for each question.
struct QueryTable: RecordTable {
  static let kind = "query.v1"
  static let forgotten = "queries-forgotten.v1"
  static let table = "query_log_1"

  let name = "query_log"
  let version = 1

  func prepare(in tx: SQLiteTransaction) throws {
    try tx.execute(
      """
      CREATE TABLE IF NOT EXISTS query_log_1(
        sequence INTEGER PRIMARY KEY, tenant TEXT NOT NULL, time INTEGER NOT NULL, request TEXT NOT NULL,
        text TEXT NOT NULL, source TEXT NOT NULL, elapsed INTEGER NOT NULL) STRICT
      """
    )
    try tx.execute("CREATE INDEX IF NOT EXISTS query_log_1_tenant ON query_log_1(tenant, sequence)")
    try tx.execute("CREATE INDEX IF NOT EXISTS query_log_1_time ON query_log_1(time)")
  }

  func apply(_ event: StoredEvent, in tx: SQLiteTransaction) throws {
    guard try !deletes(event, in: tx), event.kind == Self.kind else { return }
    let query = try RecordCoding.decode(LoggedQuery.self, from: event)
    try tx.execute(
      "INSERT INTO query_log_1 VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
      event.sequence,
      query.tenant.rawValue,
      query.time,
      query.request.rawValue,
      query.text,
      query.source,
      query.elapsed.wholeNanoseconds
    )
  }

  static func recent(of tenant: TenantID, limit: Int, in tx: SQLiteTransaction) throws -> [LoggedQuery] {
    try tx.query(
      """
      SELECT request, text, source, elapsed, time FROM query_log_1 WHERE tenant = ?1 ORDER BY sequence DESC LIMIT ?2
      """,
      tenant.rawValue,
      max(0, limit)
    ) { row in
      LoggedQuery(
        tenant: tenant,
        request: RequestID(try row.text(0)),
        text: try row.text(1),
        source: try row.text(2),
        elapsed: .nanoseconds(try row.int64(3)),
        time: try row.int64(4)
      )
    }
  }

  static func frequent(
    of tenant: TenantID,
    since time: Int64,
    limit: Int,
    in tx: SQLiteTransaction
  ) throws -> [FrequentQuery] {
    try tx.query(
      """
      SELECT text, count(*) FROM query_log_1 WHERE tenant = ?1 AND time >= ?2
      GROUP BY text ORDER BY count(*) DESC, text LIMIT ?3
      """,
      tenant.rawValue,
      time,
      max(0, limit)
    ) { FrequentQuery(text: try $0.text(0), count: try $0.int(1)) }
  }
}
