// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldCore
import TenfoldTestSupport
import TenfoldTesting
import Testing

@testable import TenfoldStorage

@Suite("Usage, questions and conversations are kept over the event log")
struct RecordsTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func log(_ name: String = ObjectName.random()) async throws -> SQLiteEventLog {
    SQLiteEventLog(
      database: try await SQLiteDatabase.open(.file(directory.file(name)), schemas: [SQLiteEventLog.schema])
    )
  }

  @Test("ledgers keep their contract", arguments: [false, true])
  func ledgers(onDisk: Bool) async {
    let violations = await UsageLedgerContract.violations {
      if onDisk { return SQLiteUsageLedger(log: try await log()) }
      return InMemoryUsageLedger()
    }
    #expect(violations == [])
  }

  @Test("query logs keep their contract", arguments: [false, true])
  func queryLogs(onDisk: Bool) async {
    let violations = await QueryLogContract.violations {
      if onDisk { return SQLiteQueryLog(log: try await log()) }
      return InMemoryQueryLog()
    }
    #expect(violations == [])
  }

  @Test(
    "conversation memories keep their contract",
    arguments: ["memory", "file", "replica that doesn't move"]
  )
  func memories(kind: String) async {
    let violations = await ConversationMemoryContract.violations {
      switch kind {
      case "memory": return InMemoryConversationMemory()
      case "file": return SQLiteConversationMemory(log: try await log())
      default: return SQLiteConversationMemory(log: try await log(), replicas: [try await replica()])
      }
    }
    #expect(violations == [])
  }

  private func replica() async throws -> SQLiteWriteSink {
    SQLiteConversationMemory.replica(
      "r",
      in: try await SQLiteDatabase.open(
        .file(directory.file(ObjectName.random())),
        schemas: [SQLiteWriteSink.schema, SQLiteConversationMemory.replicaSchema]
      )
    )
  }

  @Test("a replica shows what its token asks for, and forgets and erases with the log")
  func replicas() async throws {
    let log = try await log()
    let replica = try await replica()
    let memory = SQLiteConversationMemory(log: log, replicas: [replica])
    let writes = WriteBehind(log: log, sink: replica, options: .init(pollInterval: nil))
    func contents() async throws -> [String] {
      try await replica.database.read { tx in
        try tx.query("SELECT content FROM conversation_turn_1 ORDER BY sequence") { try $0.text(0) }
      }
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await writes.run() }
      try await memory.append(
        [ConversationTurn(.user("old"), time: 1), ConversationTurn(.user("new"), time: 9)],
        to: "c",
        of: "a"
      )
      let token = try await memory.append([ConversationTurn(.user("b's"), time: 9)], to: "c", of: "b")
      try await writes.wait(for: token)
      #expect(try await contents() == ["old", "new", "b's"])
      let eventual = try await memory.turns(of: "c", for: "a", last: 9, .eventual)
      #expect(eventual.map(\.message.content) == ["old", "new"])
      try await memory.forget(before: 5)
      try await writes.wait(for: WriteToken(try await log.latest()))
      #expect(try await contents() == ["new", "b's"])
      try await writes.wait(for: try await memory.erase("a"))
      #expect(try await contents() == ["b's"])
      group.cancelAll()
    }
    // Nothing of it is left in the log either.
    let left = try await log.events(after: 0, limit: 99)
    #expect(left.filter { $0.kind == ConversationTable.kind }.map(\.tenant) == ["b"])
  }

  @Test(
    "an erased tenant's words are gone from the file and its log",
    arguments: ["memory", "queries", "log"]
  )
  func erasedWords(by record: String) async throws {
    let path = directory.file(ObjectName.random())
    let log = SQLiteEventLog(
      database: try await SQLiteDatabase.open(.file(path), schemas: [SQLiteEventLog.schema])
    )
    let (memory, queries) = (SQLiteConversationMemory(log: log), SQLiteQueryLog(log: log))
    func fill(_ tenant: TenantID, _ text: String) async throws {
      try await memory.append(
        (0..<1200).map { ConversationTurn(.user("\(text) \($0)"), time: 1) },
        to: "c",
        of: tenant
      )
      try await queries.record(
        (0..<1200).map { number in
          LoggedQuery(
            tenant: tenant,
            request: RequestID("r\(number)"),
            text: "\(text) \(number)",
            source: "s",
            elapsed: .zero,
            time: 1
          )
        }
      )
      #expect(try await memory.turns(of: "c", for: tenant, last: 9, .newest).count == 9)
      #expect(try await queries.recent(of: tenant, limit: 9).count == 9)
    }
    func occurrences(of text: String, in endings: [String] = ["", "-wal"]) throws -> Int {
      try endings.map { path + $0 }.filter(FileManager.default.fileExists).reduce(0) { count, file in
        let data = try Data(contentsOf: URL(fileURLWithPath: file))
        return count + (data.range(of: Data(text.utf8)) == nil ? 0 : 1)
      }
    }
    try await fill("gone", "MARKER-OF-THE-ERASED")
    try await fill("stays", "MARKER-OF-OTHERS")
    #expect(try occurrences(of: "MARKER-OF-THE-ERASED") > 0)
    switch record {
    case "memory": try await memory.erase("gone")
    case "queries": try await queries.erase("gone")
    default: _ = try await log.erase("gone")
    }
    #expect(try occurrences(of: "MARKER-OF-THE-ERASED", in: ["-wal"]) == 0)
    try await log.database.compact()
    #expect(try occurrences(of: "MARKER-OF-THE-ERASED") == 0)
    #expect(try occurrences(of: "MARKER-OF-OTHERS") > 0)
    #expect(try await memory.turns(of: "c", for: "gone", last: 9, .newest).isEmpty)
    #expect(try await queries.recent(of: "gone", limit: 9).isEmpty)
    #expect(try await memory.turns(of: "c", for: "stays", last: 2000, .newest).count == 1200)
    #expect(try await queries.recent(of: "stays", limit: 2000).count == 1200)
    await log.database.close()
  }

  @Test("records of one log share it without meeting, and totals outlive the events")
  func sharedLog() async throws {
    let log = try await log()
    let (ledger, queries) = (SQLiteUsageLedger(log: log), SQLiteQueryLog(log: log))
    let memory = SQLiteConversationMemory(log: log)
    try await ledger.book((1...1500).map { UsageLedgerContract.entry("a", "m", tokens: 1, time: $0) })
    try await memory.append([ConversationTurn(.user("hi"), time: 3)], to: "c", of: "a")
    try await queries.record([
      LoggedQuery(tenant: "a", request: RequestID("r"), text: "hi", source: "s", elapsed: .zero, time: 3)
    ])
    try await queries.forget(before: 10)
    #expect(try await queries.recent(of: "a", limit: 9).isEmpty)
    #expect(try await memory.turns(of: "c", for: "a", last: 9, .newest).count == 1)
    #expect(try await ledger.totals(of: "a")["m"]?.calls == 1500)
    try await memory.forget(before: 10)
    try await log.trim(through: try await log.latest())
    #expect(try await ledger.totals(of: "a")["m"]?.calls == 1500)
    try await ledger.book([UsageLedgerContract.entry("a", "m", tokens: 1)])
    #expect(try await ledger.totals(of: "a")["m"]?.calls == 1501)
  }

  @Test("what was booked and never read is not trimmed")
  func unreadTotals() async throws {
    let log = try await log()
    let (ledger, memory) = (SQLiteUsageLedger(log: log), SQLiteConversationMemory(log: log))
    try await ledger.book([UsageLedgerContract.entry("a", "m", tokens: 1)])
    try await memory.append([ConversationTurn(.user("hi"), time: 3)], to: "c", of: "a")
    #expect(try await memory.turns(of: "c", for: "a", last: 9, .newest).count == 1)
    #expect(try await log.trimApplied() == 0)
    #expect(try await ledger.totals(of: "a")["m"]?.calls == 1)
    #expect(try await log.trimApplied() == 2)
    #expect(try await ledger.totals(of: "a")["m"]?.calls == 1)
  }

  @Test("an erasure by any record takes the totals along", arguments: ["memory", "log"])
  func erasedTotals(by record: String) async throws {
    let log = try await log()
    let (ledger, memory) = (SQLiteUsageLedger(log: log), SQLiteConversationMemory(log: log))
    for tenant in ["a", "b"] as [TenantID] {
      try await ledger.book([UsageLedgerContract.entry(tenant, "m", tokens: 1)])
      #expect(try await ledger.totals(of: tenant)["m"]?.calls == 1)
    }
    if record == "memory" { try await memory.erase("a") } else { _ = try await log.erase("a") }
    // In the table, before anybody looks at the ledger again.
    let left = try await log.database.read { tx in
      try tx.query("SELECT tenant FROM usage_total_1") { try $0.text(0) }
    }
    #expect(left == ["b"])
  }

  @Test("totals are there again after opening, and a newer build's version is left answering")
  func reopening() async throws {
    var log = try await log("one")
    try await SQLiteUsageLedger(log: log).book([UsageLedgerContract.entry("a", "m", tokens: 4)])
    await log.database.close()
    log = try await self.log("one")
    try await log.database.write { tx in
      try tx.execute("INSERT INTO projection_current(name, version) VALUES('usage_totals', 2)")
    }
    #expect(try await SQLiteUsageLedger(log: log).totals(of: "a")["m"]?.completionTokens == 4)
    #expect(try await log.current("usage_totals")?.version == 2)
    await log.database.close()
  }

  @Test("a payload that isn't a record is a typed error")
  func corruptRecord() async throws {
    let log = try await log()
    _ = try await log.append([NewEvent(kind: UsageTotals.kind, subject: "m", payload: [0xFF], tenant: "a")])
    await #expect { try await SQLiteUsageLedger(log: log).totals(of: "a") } throws: {
      ($0 as? StorageError)?.code == .corrupt
    }
  }
}
