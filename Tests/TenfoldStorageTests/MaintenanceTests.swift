// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldCore
import TenfoldTestSupport
import Testing

@testable import TenfoldStorage

@Suite("A database is backed up and checked while it is used")
struct MaintenanceTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func open(_ name: String) async throws -> SQLiteDatabase {
    try await SQLiteDatabase.open(
      .file(directory.file(name)),
      schemas: [
        SQLiteSchema(
          "t",
          [.init(1, "CREATE TABLE t(x INTEGER PRIMARY KEY, y TEXT); CREATE INDEX ty ON t(y);")]
        )
      ]
    )
  }

  @Test("a copy made while others write is a state that was there, and replaces an older one")
  func backup() async throws {
    let database = try await open("a.db")
    let copy = directory.file("copy.db")
    for round in 0..<2 {
      try await withThrowingTaskGroup(of: Void.self) { group in
        // Each commit adds two rows: a copy with an odd number was never there.
        for writer in 0..<3 {
          group.addTask {
            for number in 0..<40 {
              let x = round * 100_000 + writer * 1000 + number * 2
              try await database.write { tx in
                try tx.execute("INSERT INTO t VALUES(?1, 'a'), (?2, 'b')", x, x + 1)
              }
            }
          }
        }
        group.addTask { try await database.backup(to: copy) }
        try await group.waitForAll()
      }
      let back = try await open("copy.db")
      #expect(try await back.problems() == [])
      let count = try await back.read { tx in try tx.first("SELECT count(*) FROM t") { try $0.int(0) } } ?? -1
      #expect(count % 2 == 0 && count >= round * 240)
      await back.close()
    }
    #expect(try await database.problems(.quick) == [])
    let names = try FileManager.default.contentsOfDirectory(atPath: directory.path)
    #expect(names.allSatisfy { !$0.contains("partial") })
    await database.close()
  }

  @Test("a backup onto itself, into nowhere, or of memory is refused and harms nothing")
  func refusals() async throws {
    let database = try await open("a.db")
    try await database.write { tx in try tx.execute("INSERT INTO t VALUES(1, 'x')") }
    await #expect { try await database.backup(to: directory.file("a.db")) } throws: {
      ($0 as? StorageError)?.code == .misuse
    }
    await #expect(throws: StorageError.self) { try await database.backup(to: "/nowhere/copy.db") }
    let memory = try await SQLiteDatabase.open(.inMemory)
    await #expect { try await memory.backup(to: directory.file("m.db")) } throws: {
      ($0 as? StorageError)?.code == .misuse
    }
    #expect(try await memory.problems() == [])
    #expect(try await database.problems() == [])
    await memory.close()
    await database.close()
  }

  @Test("a closed database is neither copied, checked nor compacted")
  func closed() async throws {
    let database = try await SQLiteDatabase.open(.file(directory.file("closed.db")))
    await database.close()
    let code: (any Error) -> Bool = { ($0 as? StorageError)?.code == .closed }
    await #expect { try await database.backup(to: directory.file("copy.db")) } throws: { code($0) }
    await #expect { _ = try await database.problems() } throws: { code($0) }
    await #expect { try await database.compact() } throws: { code($0) }
    #expect(!FileManager.default.fileExists(atPath: directory.file("copy.db")))
  }

  @Test("a copy takes nothing from the log of an older file that was killed, and spoils no file in use")
  func replaced() async throws {
    let database = try await open("a.db")
    try await database.write { tx in try tx.execute("INSERT INTO t VALUES(1, 'x')") }
    let old = try await open("old.db")
    for number in 0..<200 {
      try await old.write { tx in try tx.execute("INSERT INTO t VALUES(?1, 'old')", number) }
    }
    // What a kill leaves: the file and its log as they are in the middle of things.
    let copy = directory.file("copy.db")
    for end in ["", "-wal"] {
      try FileManager.default.copyItem(atPath: directory.file("old.db" + end), toPath: copy + end)
    }
    await #expect { try await database.backup(to: directory.file("old.db")) } throws: {
      ($0 as? StorageError)?.code == .busy
    }
    #expect(try await old.read { tx in try tx.first("SELECT count(*) FROM t") { try $0.int(0) } } == 200)
    await old.close()
    try await database.backup(to: copy)
    let back = try await open("copy.db")
    #expect(try await back.problems() == [])
    #expect(try await back.read { tx in try tx.query("SELECT y FROM t") { try $0.text(0) } } == ["x"])
    await back.close()
    let gone = directory.file("gone.db")
    try Data([1]).write(to: URL(fileURLWithPath: gone + "-wal"))
    await #expect { try await database.backup(to: gone) } throws: {
      ($0 as? StorageError)?.code == .misuse
    }
    await database.close()
  }

  @Test("damage is found")
  func damage() async throws {
    let database = try await open("a.db")
    try await database.write { tx in
      for number in 0..<2000 { try tx.execute("INSERT INTO t VALUES(?1, ?2)", number, "text \(number)") }
    }
    await database.close()
    let url = URL(fileURLWithPath: directory.file("a.db"))
    var data = try Data(contentsOf: url)
    // The second half becomes zeros; what says which tables there are lies in the first pages.
    let middle = data.count / 2 / 4096 * 4096
    data.replaceSubrange(middle..., with: [UInt8](repeating: 0, count: data.count - middle))
    try data.write(to: url)
    let damaged = try await open("a.db")
    do {
      #expect(try await !damaged.problems().isEmpty)
    } catch let error as StorageError {
      #expect(error.code == .corrupt)
    }
    let before = try Data(contentsOf: url)
    await #expect(throws: StorageError.self) { try await damaged.backup(to: directory.file("copy.db")) }
    #expect(!FileManager.default.fileExists(atPath: directory.file("copy.db")))
    #expect(try Data(contentsOf: url) == before)
    await damaged.close()
  }
}
