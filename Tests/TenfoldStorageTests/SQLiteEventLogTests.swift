// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldStorage
import Testing

private struct Counts: Projection {
  let name = "counts"
  var version = 1
  var failsAt: Int64 = -1

  func prepare(in tx: SQLiteTransaction) throws {
    try tx.execute(
      "CREATE TABLE IF NOT EXISTS counts_\(version)(subject TEXT PRIMARY KEY, count INTEGER NOT NULL)"
    )
  }

  func apply(_ event: StoredEvent, in tx: SQLiteTransaction) throws {
    if event.sequence == failsAt { throw StorageError(.other, "scripted") }
    try tx.execute(
      "INSERT INTO counts_\(version) VALUES(?1, 1) ON CONFLICT DO UPDATE SET count = count + 1",
      event.subject
    )
  }
}

@Suite("An event log keeps order, and projections apply each event once")
struct SQLiteEventLogTests {
  private func makeLog(_ count: Int) async throws -> SQLiteEventLog {
    let log = SQLiteEventLog(
      database: try await SQLiteDatabase.open(.inMemory, schemas: [SQLiteEventLog.schema])
    )
    for index in 0..<count {
      let sequence = try await log.append([
        NewEvent(kind: "k", subject: "s\(index % 2)", payload: [UInt8(index)])
      ])
      #expect(sequence == Int64(index + 1))
    }
    return log
  }

  private func total(_ log: SQLiteEventLog, _ table: String) async throws -> Int {
    try await log.database.read { tx in try tx.first("SELECT sum(count) FROM \(table)") { try $0.int(0) } ?? 0
    }
  }

  @Test("events come back in order, after any position")
  func reading() async throws {
    let log = try await makeLog(5)
    #expect(try await log.events(after: 2, limit: 2).map(\.payload) == [[2], [3]])
    #expect(try await log.events(after: 5, limit: 2).isEmpty)
    await #expect(throws: StorageError.self) { _ = try await log.append([]) }
  }

  @Test("catching up twice, or after a failure, applies each event once", arguments: [1, 3, 500])
  func once(batch: Int) async throws {
    let log = try await makeLog(10)
    await #expect(throws: StorageError.self) { try await log.catchUp(Counts(failsAt: 8), batch: batch) }
    #expect(try await log.catchUp(Counts(), batch: batch) == 10)
    #expect(try await log.catchUp(Counts(), batch: batch) == 10)
    #expect(try await total(log, "counts_1") == 10)
    #expect(try await log.position(of: Counts()) == 10)
  }

  @Test("a new version is computed anew beside the old one")
  func versions() async throws {
    let log = try await makeLog(4)
    try await log.catchUp(Counts())
    #expect(try await log.position(of: Counts(version: 2)) == 0)
    try await log.catchUp(Counts(version: 2))
    #expect(try await total(log, "counts_1") == 4)
    #expect(try await total(log, "counts_2") == 4)
  }
}
