// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldStorage

/// A small table that write sinks fill.
enum DataLayer {
  static let schema = SQLiteSchema(
    "values",
    [
      .init(
        1,
        "CREATE TABLE value(subject TEXT PRIMARY KEY, payload BLOB NOT NULL, writes INTEGER NOT NULL) STRICT;"
      )
    ]
  )

  static func sink(_ location: SQLiteDatabase.Location) async throws -> SQLiteWriteSink {
    let database = try await SQLiteDatabase.open(location, schemas: [SQLiteWriteSink.schema, schema])
    return SQLiteWriteSink("values", in: database) { write, tx in
      try tx.execute(
        "INSERT INTO value VALUES(?1, ?2, 1) ON CONFLICT DO UPDATE SET payload = ?2, writes = writes + 1",
        write.subject,
        write.payload
      )
    }
  }

  static func value(_ subject: String, in database: SQLiteDatabase) async throws -> [UInt8]? {
    try await database.read { tx in
      try tx.first("SELECT payload FROM value WHERE subject = ?1", subject) { try $0.blob(0) }
    }
  }
}
