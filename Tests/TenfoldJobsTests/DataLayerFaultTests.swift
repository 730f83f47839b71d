// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import CTenfoldFaultVFS
import Synchronization
import TenfoldCore
import TenfoldStorage
import TenfoldTestSupport
import TenfoldTesting
import Testing

private struct Counts: Projection {
  let name = "counts"
  let version = 1

  func prepare(in tx: SQLiteTransaction) throws {
    try tx.execute("CREATE TABLE IF NOT EXISTS counts(subject TEXT PRIMARY KEY, count INTEGER NOT NULL)")
  }

  func apply(_ event: StoredEvent, in tx: SQLiteTransaction) throws {
    try tx.execute(
      "INSERT INTO counts VALUES(?1, 1) ON CONFLICT DO UPDATE SET count = count + 1",
      event.subject
    )
  }
}

/// What several tasks note.
private final class Noted<Value: Sendable>: Sendable {
  private let value: Mutex<Value>

  init(_ value: Value) { self.value = Mutex(value) }

  @discardableResult
  func withLock<Result: Sendable>(_ body: @Sendable (inout Value) -> Result) -> Result {
    value.withLock { body(&$0) }
  }
}

/// The newest contents of a blob that were acknowledged, and those that were tried.
private struct Rounds: Sendable {
  var acknowledged = 0
  var tried = 0
}

@Suite("What the data layer acknowledged survives loss of power")
struct DataLayerFaultTests {
  @Test("no acknowledged event is lost, and a projection holds what its position says", arguments: 1...25)
  func events(seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    let (directory, after) = (try TemporaryDirectory(), try TemporaryDirectory())
    let disk = try #require(FaultDisk())
    let database = try await SQLiteDatabase.open(
      .file(directory.file("log.db")),
      schemas: [SQLiteEventLog.schema],
      options: disk.options()
    )
    let log = SQLiteEventLog(database: database)
    disk.cutPower(after: Int.random(in: 5...400, using: &random))
    let acknowledged = Noted<Int64>(0)
    await withTaskGroup(of: Void.self) { group in
      for writer in 0..<3 {
        group.addTask {
          let events = (0..<2).map { NewEvent(kind: "k", subject: "s\(writer + $0)", payload: [7]) }
          while let last = try? await log.append(events) {
            acknowledged.withLock { $0 = max($0, last) }
          }
        }
      }
      group.addTask { while disk.failures == 0 { _ = try? await log.takeOver(Counts(), batch: 3) } }
    }
    await database.close()
    #expect(disk.image(to: after.path, seed: seed), "seed \(seed)")
    let restarted = SQLiteEventLog(
      database: try await SQLiteDatabase.open(.file(after.file("log.db")), schemas: [SQLiteEventLog.schema])
    )
    #expect(try await restarted.database.problems() == [], "seed \(seed)")
    let events = try await restarted.events(after: 0, limit: .max)
    let isGapless = events.enumerated().allSatisfy { $0.element.sequence == Int64($0.offset + 1) }
    #expect(isGapless, "seed \(seed)")
    #expect(Int64(events.count) >= acknowledged.withLock { $0 }, "seed \(seed)")
    let position = try await restarted.position(of: Counts())
    let applied = (try? await count(restarted.database)) ?? 0
    #expect(applied == position, "seed \(seed)")
    try await restarted.takeOver(Counts())
    #expect(try await count(restarted.database) == Int64(events.count), "seed \(seed)")
    await restarted.database.close()
  }

  private func count(_ database: SQLiteDatabase) async throws -> Int64 {
    try await database.read { tx in
      try tx.first("SELECT coalesce(sum(count), 0) FROM counts") { try $0.int64(0) } ?? 0
    }
  }

  @Test("no acknowledged blob is lost, wherever it was moving", arguments: 1...25)
  func blobs(seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    let (directory, after) = (try TemporaryDirectory(), try TemporaryDirectory())
    let disk = try #require(FaultDisk())
    let database = try await SQLiteDatabase.open(
      .file(directory.file("blobs.db")),
      schemas: [TieredBlobStore.schema],
      options: disk.options()
    )
    // The tiers keep what they were given; the catalog may lose what was not synced.
    let tiers = [
      BlobTier("hot", store: InMemoryBlobStore()),
      BlobTier("cold", store: InMemoryBlobStore(), compression: .gzip()),
    ]
    let store = try TieredBlobStore(catalog: database, tiers: tiers, options: .init(grace: .zero))
    disk.cutPower(after: Int.random(in: 5...400, using: &random))
    let history = Noted<[BlobKey: Rounds]>([:])
    await withTaskGroup(of: Void.self) { group in
      for writer in 0..<3 {
        group.addTask {
          for round in 1... {
            guard let key = try? BlobKey("w\(writer)-\(round % 4)") else { return }
            history.withLock { $0[key, default: Rounds()].tried = round }
            do { try await store.put(Self.contents(key, round), at: key) } catch { return }
            history.withLock { $0[key]?.acknowledged = round }
            if round % 3 == 0 { _ = try? await store.move(key, to: "cold") }
          }
        }
      }
    }
    await database.close()
    #expect(disk.image(to: after.path, seed: seed), "seed \(seed)")
    let catalog = try await SQLiteDatabase.open(
      .file(after.file("blobs.db")),
      schemas: [TieredBlobStore.schema]
    )
    let restarted = try TieredBlobStore(catalog: catalog, tiers: tiers, options: .init(grace: .zero))
    while try await restarted.sweep() > 0 {}
    for (key, rounds) in history.withLock({ $0 }) {
      let bytes = try await restarted.get(key)
      let isOld = rounds.acknowledged > 0 && bytes == Self.contents(key, rounds.acknowledged)
      let isNew = bytes == Self.contents(key, rounds.tried)
      #expect(isOld || isNew || (rounds.acknowledged == 0 && bytes == nil), "seed \(seed), \(key)")
    }
    // Each blob has one object, and there is nothing else.
    let objects = try await tiers[0].store.keys().count + tiers[1].store.keys().count
    #expect(try await restarted.keys().count == objects, "seed \(seed)")
    await catalog.close()
  }

  private static func contents(_ key: BlobKey, _ round: Int) -> [UInt8] {
    Array(repeating: Array("\(key) \(round) ".utf8), count: 40).flatMap { $0 }
  }
}
