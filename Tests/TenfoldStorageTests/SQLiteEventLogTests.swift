// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import TenfoldTestSupport
import Testing

@testable import TenfoldStorage

private struct Counts: Projection {
  var name = "counts"
  var version = 1
  var failsAt: Int64 = -1

  func prepare(in tx: SQLiteTransaction) throws {
    try tx.execute(
      "CREATE TABLE IF NOT EXISTS counts_\(version)(subject TEXT PRIMARY KEY, count INTEGER NOT NULL)"
    )
  }

  func discard(in tx: SQLiteTransaction) throws {
    try tx.execute("DROP TABLE IF EXISTS counts_\(version)")
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

  @Test("nobody but an erasure writes that a tenant was erased")
  func reserved() async throws {
    let logs: [any EventLog] = [try await makeLog(1), InMemoryEventLog()]
    for log in logs {
      let before = try await log.latest()
      let events = [
        NewEvent(kind: "k", subject: "s", payload: []),
        NewEvent(kind: StoredEvent.erasure, subject: "t", payload: []),
      ]
      await #expect { _ = try await log.append(events) } throws: {
        ($0 as? StorageError)?.code == .invalidOption
      }
      #expect(try await log.latest() == before)
      #expect(try await log.erase("t") == before + 1)
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

  @Test("a new version takes over at once and whole; until then the old one answers")
  func takingOver() async throws {
    let log = try await makeLog(7)
    await #expect { try await log.readCurrent("counts") { _, _ in } } throws: {
      ($0 as? StorageError)?.code == .notFound
    }
    try await log.takeOver(Counts(), batch: 2)
    #expect(try await log.current("counts") == .init(version: 1, position: 7))
    // The rebuild is interrupted after some of its batches.
    await #expect(throws: StorageError.self) {
      try await log.takeOver(Counts(version: 2, failsAt: 6), batch: 2)
    }
    #expect(try await log.position(of: Counts(version: 2)) == 4)
    _ = try await log.append([NewEvent(kind: "k", subject: "s0", payload: [])])
    try await log.catchUp(Counts())
    #expect(try await log.current("counts") == .init(version: 1, position: 8))
    // It goes on from where it was.
    try await log.takeOver(Counts(version: 2), batch: 2)
    let total = try await log.readCurrent("counts") { current, tx in
      #expect(current == .init(version: 2, position: 8))
      return try tx.first("SELECT sum(count) FROM counts_\(current.version)") { try $0.int(0) }
    }
    #expect(total == 8)
  }

  @Test("an older version that would take over on its own takes nothing back")
  func takesNothingBack() async throws {
    let log = try await makeLog(3)
    try await log.takeOverFromOlder(Counts())
    #expect(try await log.current("counts")?.version == 1)
    try await log.takeOverFromOlder(Counts(version: 2))
    try await log.takeOverFromOlder(Counts())
    #expect(try await log.current("counts")?.version == 2)
    // Asked for by name it does.
    try await log.takeOver(Counts())
    #expect(try await log.current("counts")?.version == 1)
  }

  @Test("a version that answers can't be retired, an old one goes with its tables")
  func retiring() async throws {
    let log = try await makeLog(3)
    try await log.takeOver(Counts())
    await #expect { try await log.retire(Counts()) } throws: { ($0 as? StorageError)?.code == .misuse }
    try await log.takeOver(Counts(version: 2))
    for _ in 0..<2 { try await log.retire(Counts()) }
    await #expect(throws: StorageError.self) { _ = try await total(log, "counts_1") }
    #expect(try await total(log, "counts_2") == 3)
    // What every projection has seen can go; positions stay.
    #expect(try await log.trimApplied() == 3)
    #expect(try await log.events(after: 0, limit: 9).isEmpty)
    _ = try await log.append([NewEvent(kind: "k", subject: "s0", payload: [])])
    try await log.catchUp(Counts(version: 2))
    #expect(try await total(log, "counts_2") == 4)
  }

  @Test("kills between batches, at any of them, apply each event once", arguments: 1...30)
  func interruptions(seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    let count = Int.random(in: 0...40, using: &random)
    let log = try await makeLog(count)
    let batch = Int.random(in: 1...7, using: &random)
    for _ in 0..<5 {
      // A failure undoes its batch, as a kill would.
      let failsAt = Int64.random(in: 0...Int64(count + 1), using: &random)
      let version = Int.random(in: 1...2, using: &random)
      _ = try? await log.takeOver(Counts(version: version, failsAt: failsAt), batch: batch)
      for version in 1...2 {
        let position = try await log.position(of: Counts(version: version))
        let applied = (try? await total(log, "counts_\(version)")) ?? 0
        #expect(Int64(applied) == position, "seed \(seed)")
      }
    }
    try await log.takeOver(Counts(version: 2), batch: batch)
    #expect(try await log.current("counts")?.version == 2, "seed \(seed)")
    #expect(try await total(log, "counts_2") == count, "seed \(seed)")
  }

  @Test("an erasure goes in steps, and one that was interrupted is finished by the next", arguments: 0...4)
  func erasingInSteps(interruptedAfter: Int) async throws {
    struct Killed: Error {}
    let log = try await makeLog(3)
    _ = try await log.append(
      (0..<47).map { NewEvent(kind: "k", subject: "s\($0)", payload: [], tenant: "a") }
    )
    var steps = 0
    func erase() async throws -> Int64 {
      try await log.eraseEvents(of: "a", step: 10) {
        steps += 1
        if steps == interruptedAfter { throw Killed() }
      }
    }
    if interruptedAfter > 0 {
      await #expect(throws: Killed.self) { _ = try await erase() }
      let left = try await log.events(after: 0, limit: 99)
      #expect(left.count == 50 - 10 * interruptedAfter && left.allSatisfy { $0.kind == "k" })
    }
    let sequence = try await erase()
    let left = try await log.events(after: 0, limit: 99)
    #expect(left.map(\.kind) == ["k", "k", "k", StoredEvent.erasure] && left.last?.sequence == sequence)
    #expect(steps == 4 && left.dropLast().allSatisfy { $0.tenant == "" })
  }

  @Test("a runner keeps projections up to date and is stopped by its task")
  func running() async throws {
    let log = try await makeLog(3)
    await withTaskGroup(of: Void.self) { group in
      group.addTask {
        let broken = Counts(name: "broken", version: 9, failsAt: 2)
        let runner = ProjectionRunner(log: log, projections: [broken, Counts()])
        await #expect(throws: CancellationError.self) { try await runner.run() }
      }
      for number in 4...6 as ClosedRange<Int64> {
        let applied = log.applied.stream()
        _ = try? await log.append([NewEvent(kind: "k", subject: "s", payload: [])])
        for await _ in applied {
          if (try? await log.current("counts")?.position) == number { break }
        }
      }
      group.cancelAll()
    }
    // One that fails doesn't hold up the others.
    #expect(try await total(log, "counts_1") == 6)
    #expect(try await log.current("broken") == nil)
  }

  @Test("the runner of an older build keeps its version up to date and takes nothing back")
  func olderRunner() async throws {
    let log = try await makeLog(3)
    try await log.takeOver(Counts(version: 2))
    await withTaskGroup(of: Void.self) { group in
      group.addTask {
        await #expect(throws: CancellationError.self) {
          try await ProjectionRunner(log: log, projections: [Counts()]).run()
        }
      }
      let applied = log.applied.stream()
      if (try? await log.position(of: Counts())) != 3 {
        for await _ in applied where (try? await log.position(of: Counts())) == 3 { break }
      }
      group.cancelAll()
    }
    #expect(try await log.current("counts")?.version == 2)
    #expect(try await total(log, "counts_1") == 3)
  }

  @Test("a file of before opens, and its events belong to nobody")
  func migration() async throws {
    let directory = try TemporaryDirectory()
    let old = SQLiteSchema(SQLiteEventLog.schema.name, [SQLiteEventLog.schema.migrations[0]])
    let location = SQLiteDatabase.Location.file(directory.file("events.db"))
    let before = try await SQLiteDatabase.open(location, schemas: [old])
    try await before.write { tx in
      try tx.execute("INSERT INTO event(kind, subject, payload) VALUES('k', 's', x'07')")
    }
    await before.close()
    let log = SQLiteEventLog(
      database: try await SQLiteDatabase.open(location, schemas: [SQLiteEventLog.schema])
    )
    #expect(
      try await log.events(after: 0, limit: 2) == [.init(sequence: 1, kind: "k", subject: "s", payload: [7])]
    )
    await log.database.close()
    // A build of before may go on using the file.
    let again = try await SQLiteDatabase.open(location, schemas: [old])
    try await again.write { tx in
      try tx.execute("INSERT INTO event(kind, subject, payload) VALUES('k', 's', x'08')")
    }
    await again.close()
  }
}
