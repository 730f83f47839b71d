// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Foundation
import Synchronization
import TenfoldTestSupport
import Testing

@testable import TenfoldStorage

private let notes = SQLiteSchema(
  "notes",
  [.init(1, "CREATE TABLE note(id INTEGER PRIMARY KEY, body TEXT NOT NULL UNIQUE) STRICT;")]
)

/// Waits for a semaphore on a thread of its own.
private func arrival(_ semaphore: DispatchSemaphore) async {
  await withCheckedContinuation { continuation in
    Thread.detachNewThread {
      semaphore.wait()
      continuation.resume()
    }
  }
}

private func hold(_ entered: DispatchSemaphore, _ gate: DispatchSemaphore) {
  entered.signal()
  gate.wait()
}

@Suite("A SQLite database groups commits, isolates failures and keeps what it acknowledged")
struct SQLiteDatabaseTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func open(_ options: SQLiteDatabase.Options = .init()) async throws -> SQLiteDatabase {
    try await SQLiteDatabase.open(.file(directory.file("a.db")), schemas: [notes], options: options)
  }

  private func count(_ database: SQLiteDatabase) async throws -> Int {
    try await database.read { tx in try tx.first("SELECT count(*) FROM note") { try $0.int(0) } ?? -1 }
  }

  @Test(
    "a statement is run as it is spelled, whatever its characters equal",
    arguments: [("\u{e9}", "e\u{301}"), ("\u{212B}", "A\u{30A}"), ("K", "\u{212A}"), ("\u{212A}", "K")]
  )
  func spelling(one: String, other: String) async throws {
    let database = try await SQLiteDatabase.open(.inMemory)
    try await database.write { tx in
      for text in [one, other, one] {
        let seen = try tx.first("SELECT '\(text)'") { try $0.text(0) } ?? ""
        #expect(Array(seen.utf8) == Array(text.utf8))
      }
    }
    await database.close()
  }

  @Test("writes that arrive during a commit share the next one")
  func sharing() async throws {
    let database = try await open()
    let before = database.statistics.commits
    let entered = DispatchSemaphore(value: 0)
    let gate = DispatchSemaphore(value: 0)
    try await withThrowingTaskGroup(of: Void.self) { group in
      // The first write holds the thread until all others wait in the mailbox.
      group.addTask { try await database.write { _ in hold(entered, gate) } }
      await arrival(entered)
      for index in 0..<100 {
        group.addTask {
          _ = try await database.write { tx in
            try tx.execute("INSERT INTO note(body) VALUES(?1)", "n\(index)")
          }
        }
      }
      // The mailbox tells nobody of a write that waits.
      while database.statistics.waitingOperations < 100 { await Task.yield() }
      gate.signal()
      try await group.waitForAll()
    }
    #expect(try await count(database) == 100)
    #expect(database.statistics.commits - before == 2)
    #expect(database.statistics.committedOperations == 101)
    await database.close()
  }

  @Test("an operation that fails is undone alone; the others of its commit stand")
  func isolation() async throws {
    let database = try await open()
    let entered = DispatchSemaphore(value: 0)
    let gate = DispatchSemaphore(value: 0)
    let failures = await withTaskGroup(of: Bool.self) { group in
      group.addTask { (try? await database.write { _ in hold(entered, gate) }) == nil }
      await arrival(entered)
      for index in 0..<20 {
        group.addTask {
          do {
            try await database.write { tx in
              try tx.execute("INSERT INTO note(body) VALUES(?1)", "first \(index)")
              if index % 4 == 0 { try tx.execute("INSERT INTO note(body) VALUES(?1)", "first \(index)") }
            }
            return false
          } catch {
            return (error as? StorageError)?.code == .constraint
          }
        }
      }
      // As above.
      while database.statistics.waitingOperations < 20 { await Task.yield() }
      gate.signal()
      return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
    }
    #expect(failures == 5)
    #expect(try await count(database) == 15)
    await database.close()
  }

  @Test("what was acknowledged is there after reopening")
  func reopening() async throws {
    let first = try await open()
    try await first.write { tx in try tx.execute("INSERT INTO note(body) VALUES(?1)", "kept") }
    await first.close()
    await #expect { try await first.write { _ in } } throws: { ($0 as? StorageError)?.code == .closed }
    let second = try await open()
    #expect(try await count(second) == 1)
    await second.close()
  }

  @Test("a read sees one snapshot while writes go on")
  func snapshot() async throws {
    let database = try await open()
    let entered = DispatchSemaphore(value: 0)
    let written = DispatchSemaphore(value: 0)
    async let counts = database.read { tx -> [Int] in
      let first = try tx.first("SELECT count(*) FROM note") { try $0.int(0) } ?? -1
      entered.signal()
      written.wait()
      let second = try tx.first("SELECT count(*) FROM note") { try $0.int(0) } ?? -1
      return [first, second]
    }
    await arrival(entered)
    try await database.write { tx in try tx.execute("INSERT INTO note(body) VALUES('x')") }
    written.signal()
    #expect(try await counts == [0, 0])
    #expect(try await count(database) == 1)
    await database.close()
  }

  @Test("a full disk is a typed error; what was acknowledged stays and writing goes on after room is made")
  func diskFull() async throws {
    let database = try await open(.init(maximumSizeInBytes: 256 << 10))
    var acknowledged = 0
    var refusal: StorageError?
    while refusal == nil, acknowledged < 1000 {
      let id = acknowledged
      do {
        try await database.write { tx in
          try tx.execute(
            "INSERT INTO note(id, body) VALUES(?1, ?2)",
            id,
            "\(id)" + String(repeating: "x", count: 4000)
          )
        }
        acknowledged += 1
      } catch let error as StorageError {
        refusal = error
      }
    }
    #expect(refusal?.code == .storageFull)
    #expect(acknowledged > 5)
    #expect(try await count(database) == acknowledged)
    try await database.write { tx in try tx.execute("DELETE FROM note WHERE id < 3") }
    try await database.write { tx in try tx.execute("INSERT INTO note(id, body) VALUES(5000, 'after')") }
    #expect(try await count(database) == acknowledged - 2)
    await database.close()
  }

  @Test("no room for the log's index is a full disk, too")
  func fullIndex() throws {
    let connection = try SQLiteConnection(
      path: ":memory:",
      isReader: false,
      busyTimeout: .zero,
      fileSystem: nil
    )
    defer { connection.close() }
    // SQLITE_IOERR_SHMSIZE, SQLITE_IOERR_WRITE without a quota, and SQLITE_FULL itself.
    #expect(connection.error(10 | 19 << 8, "testing").code == .storageFull)
    #expect(connection.error(10 | 3 << 8, "testing").code == .inputOutput)
    #expect(connection.error(13, "testing").code == .storageFull)
  }

  @Test("a file of a newer version is refused and left byte for byte as it was")
  func futureFormat() async throws {
    let path = directory.file("a.db")
    let newer = SQLiteSchema("notes", notes.migrations + [.init(2, "CREATE TABLE extra(x);")])
    await (try SQLiteDatabase.open(.file(path), schemas: [newer])).close()
    let before = try Data(contentsOf: URL(fileURLWithPath: path))
    await #expect {
      _ = try await SQLiteDatabase.open(.file(path), schemas: [notes])
    } throws: { error in
      let error = error as? StorageError
      return error?.code == .futureFormat && error?.foundVersion == 2 && error?.supportedVersion == 1
    }
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == before)
  }

  @Test("a newer migration that allows older builds doesn't lock them out")
  func compatibleFuture() async throws {
    let path = directory.file("a.db")
    let newer = SQLiteSchema(
      "notes",
      notes.migrations + [.init(2, "ALTER TABLE note ADD COLUMN author TEXT;", olderBuildsCanOpen: true)]
    )
    await (try SQLiteDatabase.open(.file(path), schemas: [newer])).close()
    let old = try await open()
    try await old.write { tx in try tx.execute("INSERT INTO note(body) VALUES('old build')") }
    #expect(try await count(old) == 1)
    await old.close()
  }

  @Test(
    "a file that a newer build migrates is left alone by those who have it open",
    arguments: [false, true]
  )
  func migratedMeanwhile(olderBuildsCanOpen: Bool) async throws {
    let old = try await open()
    try await old.write { tx in try tx.execute("INSERT INTO note(body) VALUES('before')") }
    let migration = SQLiteSchema.Migration(
      2,
      "ALTER TABLE note ADD COLUMN author TEXT;",
      olderBuildsCanOpen: olderBuildsCanOpen
    )
    let newer = try await SQLiteDatabase.open(
      .file(directory.file("a.db")),
      schemas: [SQLiteSchema("notes", notes.migrations + [migration])]
    )
    for round in 0..<2 {
      if olderBuildsCanOpen {
        try await old.write { tx in try tx.execute("INSERT INTO note(body) VALUES(?1)", "old build \(round)")
        }
        #expect(try await count(old) > 1)
      } else {
        await #expect { try await old.write { tx in try tx.execute("DELETE FROM note") } } throws: {
          ($0 as? StorageError)?.code == .futureFormat
        }
        await #expect { try await count(old) } throws: { ($0 as? StorageError)?.code == .futureFormat }
      }
    }
    #expect(try await count(newer) == (olderBuildsCanOpen ? 3 : 1))
    await old.close()
    await newer.close()
  }

  @Test("tables that the host makes don't lock it out")
  func ownTables() async throws {
    let database = try await open()
    try await database.write { tx in try tx.execute("CREATE TABLE own(x)") }
    try await database.write { tx in try tx.execute("INSERT INTO own VALUES(1)") }
    #expect(try await database.read { tx in try tx.first("SELECT x FROM own") { try $0.int(0) } } == 1)
    await database.close()
  }

  @Test("an edited migration is refused")
  func editedMigration() async throws {
    await (try open()).close()
    let edited = SQLiteSchema("notes", [.init(1, "CREATE TABLE note(id INTEGER PRIMARY KEY);")])
    await #expect {
      _ = try await SQLiteDatabase.open(.file(directory.file("a.db")), schemas: [edited])
    } throws: { ($0 as? StorageError)?.code == .migrationChanged }
  }

  @Test("a failing migration leaves nothing behind")
  func failingMigration() async throws {
    let broken = SQLiteSchema("broken", [.init(1, "CREATE TABLE half(x); CREATE TABLE half(x);")])
    await #expect(throws: StorageError.self) {
      _ = try await SQLiteDatabase.open(.file(directory.file("b.db")), schemas: [broken])
    }
    let fixed = SQLiteSchema("broken", [.init(1, "CREATE TABLE half(x);")])
    await (try SQLiteDatabase.open(.file(directory.file("b.db")), schemas: [fixed])).close()
  }

  @Test("bytes that aren't a database are a typed error", arguments: [100, 4096, 50_000])
  func notADatabase(size: Int) async throws {
    let path = directory.file("junk.db")
    try Data((0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ 7) }).write(
      to: URL(fileURLWithPath: path)
    )
    await #expect { _ = try await SQLiteDatabase.open(.file(path), schemas: [notes]) } throws: {
      ($0 as? StorageError)?.code == .corrupt
    }
  }

  @Test("a damaged page is a typed error")
  func damagedPage() async throws {
    let path = directory.file("a.db")
    let database = try await open()
    try await database.write { tx in
      for index in 0..<500 {
        try tx.execute("INSERT INTO note(body) VALUES(?1)", "\(index)" + String(repeating: "y", count: 200))
      }
    }
    await database.close()
    var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    try #require(bytes.count > 50_000)
    for index in 8192..<bytes.count { bytes[index] = 0xA5 }
    try bytes.write(to: URL(fileURLWithPath: path))
    let reopened = try await open()
    await #expect {
      _ = try await reopened.read { tx in try tx.query("SELECT id, body FROM note") { try $0.text(1) } }
    } throws: { ($0 as? StorageError)?.code == .corrupt }
    await reopened.close()
  }

  @Test("a folder that doesn't exist is a typed error")
  func missingFolder() async throws {
    await #expect {
      _ = try await SQLiteDatabase.open(.file(directory.file("no/such/folder.db")))
    } throws: { ($0 as? StorageError)?.code == .inputOutput }
  }

  @Test("memory databases behave the same")
  func memory() async throws {
    let database = try await SQLiteDatabase.open(.inMemory, schemas: [notes])
    try await database.write { tx in try tx.execute("INSERT INTO note(body) VALUES(?1)", "m") }
    #expect(try await count(database) == 1)
    // Nor does a read write anything here, and writes go on after one that tried.
    await #expect { try await database.read { tx in try tx.execute("DELETE FROM note") } } throws: {
      ($0 as? StorageError)?.code == .readOnly
    }
    try await database.write { tx in try tx.execute("INSERT INTO note(body) VALUES(?1)", "n") }
    #expect(try await count(database) == 2)
    await database.close()
  }

  @Test("two open databases on one file see each other's commits")
  func twoWriters() async throws {
    let first = try await open()
    let second = try await open()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for index in 0..<40 {
        let database = index % 2 == 0 ? first : second
        group.addTask {
          _ = try await database.write { tx in
            try tx.execute("INSERT INTO note(body) VALUES(?1)", "w\(index)")
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(try await count(first) == 40)
    #expect(try await count(second) == 40)
    await first.close()
    await second.close()
  }

  @Test("every kind of value comes back as it went in")
  func values() async throws {
    let database = try await SQLiteDatabase.open(.inMemory)
    let values: [SQLiteValue] = [
      .null, .integer(.min), .integer(.max), .real(-0.0), .real(.infinity), .text(""), .text("a\u{0}b é 🧵"),
      .blob([]),
      .blob([0, 255, 7]),
    ]
    let back = try await database.write { tx in
      try tx.execute("CREATE TABLE v(i INTEGER PRIMARY KEY, x)")
      let insert = try tx.prepare("INSERT INTO v(x) VALUES(?1)")
      for value in values { try insert.run(value) }
      return try tx.query("SELECT x FROM v ORDER BY i") { $0.value(0) }
    }
    #expect(back == values)
    await database.close()
  }

  @Test("wrong use is a typed error")
  func misuse() async throws {
    let database = try await open()
    func code(_ body: @escaping @Sendable (SQLiteTransaction) throws -> Void) async -> StorageError.Code? {
      do { try await database.write(body) } catch { return (error as? StorageError)?.code }
      return nil
    }
    #expect(await code { tx in try tx.execute("SELECT 1; SELECT 2") } == .misuse)
    #expect(await code { tx in try tx.execute("SELEC 1") } == .misuse)
    #expect(await code { tx in try tx.execute("") } == .misuse)
    #expect(await code { tx in try tx.execute("SELECT ?1, ?2", 1) } == .misuse)
    #expect(await code { tx in _ = try tx.query("SELECT 'a'") { try $0.int(0) } } == .typeMismatch)
    #expect(await code { tx in _ = try tx.query("SELECT 1") { try $0.int(3) } } == .typeMismatch)
    await #expect(throws: StorageError.self) {
      try await database.read { tx in try tx.execute("INSERT INTO note(body) VALUES('no')") }
    }
    #expect(try await count(database) == 0)
    await database.close()
  }

  @Test("a prepared statement can be run after any number of others in its transaction")
  func manyStatements() async throws {
    let database = try await open()
    try await database.write { tx in
      let insert = try tx.prepare("INSERT INTO note(body) VALUES(?1)")
      for index in 0..<600 {
        #expect(try tx.first("SELECT \(index)") { try $0.int(0) } == index)
        if index % 100 == 0 { try insert.run("n\(index)") }
      }
    }
    #expect(try await count(database) == 6)
    await database.close()
  }

  @Test("a transaction kept beyond its closure refuses to work")
  func escaped() async throws {
    final class Box: @unchecked Sendable { var transaction: SQLiteTransaction? }  // one write at a time
    let box = Box()
    let database = try await open()
    try await database.write { tx in box.transaction = tx }
    let kept = try #require(box.transaction)
    #expect { try kept.execute("SELECT 1") } throws: { ($0 as? StorageError)?.code == .misuse }
    await database.close()
  }

  @Test(
    "a statement that would begin or end the transaction is refused, and the write undone",
    arguments: [
      "COMMIT", " end;", "rollback", "BEGIN IMMEDIATE", "SAVEPOINT a", "RELEASE operation",
      "ROLLBACK TO operation",
      "-- by hand\ncommit", "/* by hand */ COMMIT", ";;COMMIT",
      "\u{FEFF}COMMIT",
    ]
  )
  func transactionControl(sql: String) async throws {
    let database = try await open()
    let entered = DispatchSemaphore(value: 0)
    let gate = DispatchSemaphore(value: 0)
    async let first: Void = database.write { _ in hold(entered, gate) }
    await arrival(entered)
    // These two share a commit, in whichever order.
    let rogue = Task {
      try await database.write { tx in
        try tx.execute("INSERT INTO note(body) VALUES('undone')")
        #expect { try tx.executeScript(sql) } throws: { ($0 as? StorageError)?.code == .misuse }
        try tx.execute(sql)
      }
    }
    async let other: Void = database.write { tx in try tx.execute("INSERT INTO note(body) VALUES('kept')") }
    while database.statistics.waitingOperations < 2 { await Task.yield() }
    gate.signal()
    try await first
    try await other
    await #expect { _ = try await rogue.value } throws: { ($0 as? StorageError)?.code == .misuse }
    await #expect { _ = try await database.read { tx in try tx.execute(sql) } } throws: {
      ($0 as? StorageError)?.code == .misuse
    }
    let bodies = try await database.read { tx in try tx.query("SELECT body FROM note") { try $0.text(0) } }
    #expect(bodies == ["kept"])
    await database.close()
  }

  @Test("a script may make triggers, whose bodies begin and end")
  func trigger() async throws {
    let database = try await open()
    try await database.write { tx in
      try tx.executeScript(
        """
        CREATE TABLE ending(n INTEGER);
        CREATE TRIGGER t AFTER INSERT ON note BEGIN INSERT INTO ending VALUES(NEW.id); END;
        """
      )
      try tx.execute("INSERT INTO note(body) VALUES('a')")
      // The first word counts, and the whole of it.
      try tx.execute("CREATE TABLE beginnings(n INTEGER)")
      try tx.execute("REPLACE INTO beginnings SELECT n FROM ending")
    }
    let count = try await database.read { tx in
      try tx.first("SELECT count(*) FROM beginnings") { try $0.int(0) }
    }
    #expect(count == 1)
    await database.close()
  }

  @Test("a path that names no file is refused", arguments: ["", ":memory:", "a\0b", "\0"])
  func noFile(path: String) async throws {
    await #expect { _ = try await SQLiteDatabase.open(.file(path)) } throws: {
      ($0 as? StorageError)?.code == .invalidOption
    }
  }

  @Test(
    "options out of range are refused",
    arguments: [
      SQLiteDatabase.Options(readerCount: 0), .init(readerCount: 65), .init(busyTimeout: .seconds(-1)),
      .init(cacheSizeInBytes: 0), .init(maximumSizeInBytes: 1), .init(maximumGroupSize: 0),
    ]
  )
  func badOptions(_ options: SQLiteDatabase.Options) async throws {
    await #expect { _ = try await open(options) } throws: { ($0 as? StorageError)?.code == .invalidOption }
  }

  @Test("what waits for a commit is done after it, and not at all when the write was undone")
  func commitActions() async throws {
    let database = try await SQLiteDatabase.open(.inMemory)
    let done = Numbers()
    try await database.write { tx in try tx.execute("CREATE TABLE t(x INTEGER UNIQUE)") }
    await withTaskGroup(of: Void.self) { group in
      for number in 0..<40 {
        group.addTask {
          // Every second value is there already, and undone.
          _ = try? await database.write { tx in
            tx.onCommit { done.add(number) }
            try tx.execute("INSERT INTO t VALUES(?1)", number / 2)
          }
        }
      }
    }
    let stored = try await database.read { tx in try tx.first("SELECT count(*) FROM t") { try $0.int(0) } }
    #expect(Set(done.all.map { $0 / 2 }) == Set(0..<20))
    #expect(done.all.count == 20 && stored == 20)
    await database.close()
  }
}

private final class Numbers: Sendable {
  private let values = Mutex<[Int]>([])
  var all: [Int] { values.withLock { $0 } }
  func add(_ number: Int) { values.withLock { $0.append(number) } }
}
