// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldTestSupport
import TenfoldTesting
import Testing

@testable import TenfoldStorage

/// By reference, as an expectation can't change a value.
private final class Moves {
  private var moves: LogMoves

  init(first: Int, most: Int) { moves = LogMoves(first: first, most: most) }

  var isMoving: Bool { moves.isMoving }

  func committed(_ pages: Int) -> LogMoves.AfterCommit { moves.committed(pages: pages) }

  func passed(_ moved: Int, of pages: Int) -> Bool { moves.passed(moved: moved, of: pages) }

  func finished() { moves.finished() }
}

@Suite("The log is moved beside the writes, and stays bounded")
struct LogMovesTests {
  @Test("moving begins at a length, goes on until little is left, and the writer ends it")
  func course() {
    let moves = Moves(first: 1000, most: 5000)
    #expect(moves.committed(999) == .nothing)
    #expect(moves.committed(1010) == .begin)
    #expect(moves.committed(1300) == .nothing)
    // Of the 1010 there were all are moved, but 290 have come since.
    #expect(moves.passed(1010, of: 1010))
    #expect(moves.committed(1310) == .nothing)
    #expect(!moves.passed(1300, of: 1300) && !moves.isMoving)
    #expect(moves.committed(1320) == .finish)
    moves.finished()
    #expect(moves.committed(5) == .nothing)
    #expect(moves.committed(1000) == .begin)
    // Nothing came meanwhile: there is nothing to end.
    #expect(!moves.passed(1000, of: 1000))
    #expect(moves.committed(7) == .nothing)
  }

  @Test("what a reader holds is looked at again once more has come")
  func heldByAReader() {
    let moves = Moves(first: 1000, most: 5000)
    #expect(moves.committed(1000) == .begin)
    #expect(!moves.passed(400, of: 1000))
    #expect(moves.committed(1100) == .nothing)
    #expect(moves.committed(1250) == .begin)
  }

  @Test("a log that is too long makes the writer wait")
  func tooLong() {
    let moves = Moves(first: 1000, most: 5000)
    #expect(moves.committed(1000) == .begin)
    #expect(moves.committed(4999) == .nothing)
    #expect(moves.committed(5000) == .waitAndFinish)
  }

  @Test("whatever comes in whatever order, the log begins anew and stays in its bounds", arguments: 1...50)
  func anyOrder(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    let (first, most, largest) = (100, 600, Int.random(in: 1...80, using: &random))
    let moves = Moves(first: first, most: most)
    // As SQLite has it: the log's pages, those moved, and those that a pass has seen at its beginning.
    var (pages, moved, seen) = (0, 0, Int?.none)
    var restarts = 0
    func pass() {
      if let snapshot = seen {
        moved = max(moved, snapshot)
        seen = moves.passed(moved, of: snapshot) ? pages : nil
      }
    }
    for step in 0..<3000 {
      if seen != nil, Int.random(in: 0..<12, using: &random) == 0 { pass() }
      if pages > 0, moved == pages {
        (pages, moved) = (0, 0)
        restarts += 1
      }
      pages += Int.random(in: 1...largest, using: &random)
      #expect(pages <= most + largest, "seed \(seed), step \(step)")
      switch moves.committed(pages) {
      case .nothing: break
      case .begin:
        #expect(seen == nil, "seed \(seed), step \(step)")
        seen = pages
      case .waitAndFinish:
        while seen != nil { pass() }
        fallthrough
      case .finish:
        moved = pages
        moves.finished()
      }
    }
    #expect(restarts > 20, "seed \(seed)")
  }

  @Test(
    "in a file: long reads and many writes leave a log that is moved, and nothing is lost",
    arguments: 1...4
  )
  func inAFile(seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    let directory = try TemporaryDirectory()
    let schema = SQLiteSchema(
      "blobs",
      [.init(1, "CREATE TABLE b(id INTEGER PRIMARY KEY, data BLOB) STRICT;")]
    )
    let path = directory.file("a.db")
    let database = try await SQLiteDatabase.open(.file(path), schemas: [schema])
    let bytes = [UInt8](repeating: 1, count: 40_000)
    for round in 0..<20 {
      async let read = database.read { tx in
        try tx.query("SELECT length(data) FROM b") { try $0.int(0) }.reduce(0, +)
      }
      let count = Int.random(in: 1...40, using: &random)
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<count {
          group.addTask {
            _ = try await database.write { tx in try tx.execute("INSERT INTO b(data) VALUES(?1)", bytes) }
          }
        }
        try await group.waitForAll()
      }
      #expect(try await read % bytes.count == 0, "seed \(seed), round \(round)")
    }
    let rows = try await database.read { tx in try tx.first("SELECT count(*) FROM b") { try $0.int(0) } ?? 0 }
    #expect(try await database.problems() == [])
    let log = try FileManager.default.attributesOfItem(atPath: path + "-wal")[.size] as? Int ?? 0
    // Ten pages a row: far less than all that was written.
    #expect(log < 16_500 * 4120, "seed \(seed)")
    await database.close()
    let again = try await SQLiteDatabase.open(.file(path), schemas: [schema])
    #expect(try await again.read { tx in try tx.first("SELECT count(*) FROM b") { try $0.int(0) } } == rows)
    await again.close()
  }

  #if os(Linux)
  @Test("the log's file has room ahead of the commits that need it")
  func reserved() async throws {
    let directory = try TemporaryDirectory()
    let schema = SQLiteSchema("n", [.init(1, "CREATE TABLE n(x INTEGER PRIMARY KEY) STRICT;")])
    let path = directory.file("a.db")
    func size() throws -> Int {
      try FileManager.default.attributesOfItem(atPath: path + "-wal")[.size] as? Int ?? 0
    }
    let database = try await SQLiteDatabase.open(.file(path), schemas: [schema])
    // The room is made before the first commit.
    for _ in 0..<2 { try await database.write { tx in try tx.execute("INSERT INTO n DEFAULT VALUES") } }
    let first = try size()
    #expect(first >= 32 + 128 * 4120)
    for _ in 0..<40 { try await database.write { tx in try tx.execute("INSERT INTO n DEFAULT VALUES") } }
    #expect(try size() == first)
    let files = [path, path + "-wal"]
    // A kill leaves a log that ends in zeros; a copy of the files stands for it.
    let copies = [directory.file("b.db"), directory.file("b.db-wal")]
    for (file, copy) in zip(files, copies) { try FileManager.default.copyItem(atPath: file, toPath: copy) }
    await database.close()
    let again = try await SQLiteDatabase.open(.file(copies[0]), schemas: [schema])
    #expect(try await again.read { tx in try tx.first("SELECT count(*) FROM n") { try $0.int(0) } } == 42)
    #expect(try await again.problems() == [])
    await again.close()
  }
  #endif
}
