// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization
import TenfoldCore
import TenfoldTestSupport
import TenfoldTesting
import Testing

@testable import TenfoldStorage

/// A store of blobs whose process dies at the nth operation, before or after doing it.
private final class MortalBlobStore: BlobStore {
  let inner: any BlobStore
  private let life: Life

  /// Shared by all tiers, as they die together.
  final class Life: Sendable {
    private let left: Mutex<Int>
    init(operations: Int) { left = Mutex(operations) }
    /// 0: alive; 1: dies after the operation; 2: dead.
    func step() -> Int {
      left.withLock { left in
        left -= 1
        return left > 0 ? 0 : left == 0 ? 1 : 2
      }
    }
  }

  init(_ inner: any BlobStore, _ life: Life) {
    self.inner = inner
    self.life = life
  }

  private func living<Value>(_ body: () async throws -> Value) async throws -> Value {
    let step = life.step()
    if step == 2 { throw StorageError(.closed, "killed") }
    let value = try await body()
    if step == 1 { throw StorageError(.closed, "killed") }
    return value
  }

  func put(_ bytes: [UInt8], at key: BlobKey) async throws {
    try await living { try await inner.put(bytes, at: key) }
  }
  func get(_ key: BlobKey) async throws -> [UInt8]? { try await living { try await inner.get(key) } }
  func delete(_ key: BlobKey) async throws { try await living { try await inner.delete(key) } }
  func keys() async throws -> [BlobKey] { try await inner.keys() }
}

/// A store whose writers go on only while someone deletes.
private final class MeetingBlobStore: BlobStore {
  enum Phase { case idle, written, deleted, ended }
  let phase = WatchedState(Phase.idle)
  private let inner = InMemoryBlobStore()

  func put(_ bytes: [UInt8], at key: BlobKey) async throws {
    try await inner.put(bytes, at: key)
    phase.withLock { $0 = .written }
    await phase.wait { $0 == .deleted }
  }
  func get(_ key: BlobKey) async throws -> [UInt8]? { try await inner.get(key) }
  func delete(_ key: BlobKey) async throws {
    try await inner.delete(key)
    phase.withLock { if $0 != .ended { $0 = .deleted } }
    await phase.wait { $0 == .ended }
  }
  func keys() async throws -> [BlobKey] { try await inner.keys() }
}

/// A store whose writers write only once they may, and then perhaps fail all the same.
private final class LateBlobStore: BlobStore {
  enum Phase { case idle, asked, allowed }
  let phase = WatchedState(Phase.idle)
  private let inner = InMemoryBlobStore()
  private let fails: Bool

  init(fails: Bool) { self.fails = fails }

  func put(_ bytes: [UInt8], at key: BlobKey) async throws {
    phase.withLock { $0 = .asked }
    await phase.wait { $0 == .allowed }
    try await inner.put(bytes, at: key)
    if fails { throw StorageError(.inputOutput, "no answer came in time") }
  }
  func get(_ key: BlobKey) async throws -> [UInt8]? { try await inner.get(key) }
  func delete(_ key: BlobKey) async throws { try await inner.delete(key) }
  func keys() async throws -> [BlobKey] { try await inner.keys() }
}

/// A store that takes and gives, but deletes nothing, or all but certain objects.
private final class UndeletingBlobStore: BlobStore {
  private let inner = InMemoryBlobStore()
  private let locked: @Sendable (BlobKey) -> Bool

  init(locked: @escaping @Sendable (BlobKey) -> Bool = { _ in true }) { self.locked = locked }

  func put(_ bytes: [UInt8], at key: BlobKey) async throws { try await inner.put(bytes, at: key) }
  func get(_ key: BlobKey) async throws -> [UInt8]? { try await inner.get(key) }
  func delete(_ key: BlobKey) async throws {
    if locked(key) { throw StorageError(.inputOutput, "out of reach") }
    try await inner.delete(key)
  }
  func keys() async throws -> [BlobKey] { try await inner.keys() }
}

/// A store that says what was deleted whenever that is to last, and may refuse to let it.
private final class NotingBlobStore: BlobStore {
  private let inner = InMemoryBlobStore()
  private let state = Mutex<(unsynced: Int, syncs: [Int], fails: Bool)>((0, [], false))

  var syncs: [Int] { state.withLock { $0.syncs } }
  func fail(_ fails: Bool) { state.withLock { $0.fails = fails } }

  func put(_ bytes: [UInt8], at key: BlobKey) async throws { try await inner.put(bytes, at: key) }
  func get(_ key: BlobKey) async throws -> [UInt8]? { try await inner.get(key) }
  func delete(_ key: BlobKey) async throws {
    try await inner.delete(key)
    state.withLock { $0.unsynced += 1 }
  }
  func syncDeletions() async throws {
    try state.withLock { state in
      if state.fails { throw StorageError(.inputOutput, "scripted") }
      state.syncs.append(state.unsynced)
      state.unsynced = 0
    }
  }
  func keys() async throws -> [BlobKey] { try await inner.keys() }
}

@Suite("Blobs lie in tiers, and are whole wherever they are")
struct TieredBlobStoreTests {
  private let hot = InMemoryBlobStore()
  private let warm = InMemoryBlobStore()
  private let cold = InMemoryBlobStore()
  private let clock = Clock()

  private final class Clock: Sendable {
    private let now = Mutex<Int64>(1_700_000_000_000_000_000)
    var nanoseconds: Int64 { now.withLock { $0 } }
    func advance(_ seconds: Int64) { now.withLock { $0 += seconds * 1_000_000_000 } }
  }

  private func catalog() async throws -> SQLiteDatabase {
    try await SQLiteDatabase.open(.inMemory, schemas: [TieredBlobStore.schema])
  }

  private func store(
    _ catalog: SQLiteDatabase,
    life: MortalBlobStore.Life = .init(operations: .max)
  ) throws -> TieredBlobStore {
    try TieredBlobStore(
      catalog: catalog,
      tiers: [
        BlobTier("hot", store: MortalBlobStore(hot, life)),
        BlobTier("warm", store: MortalBlobStore(warm, life), compression: .gzip(level: 1)),
        BlobTier("cold", store: MortalBlobStore(cold, life), compression: .gzip(level: 9)),
      ],
      options: .init(
        grace: .seconds(600),
        readResolution: .seconds(60),
        wallClock: { [clock] in clock.nanoseconds }
      )
    )
  }

  private func objects() async throws -> Int {
    let counts = [try await hot.keys().count, try await warm.keys().count, try await cold.keys().count]
    return counts.reduce(0, +)
  }

  @Test("no object is forgotten before its deletion lasts, and a batch of them is synced once")
  func syncedDeletions() async throws {
    let (catalog, noting) = (try await catalog(), NotingBlobStore())
    let store = try TieredBlobStore(
      catalog: catalog,
      tiers: [BlobTier("hot", store: noting), BlobTier("cold", store: hot)],
      options: .init(grace: .zero, wallClock: { [clock] in clock.nanoseconds })
    )
    func put(_ count: Int) async throws {
      for number in 0..<count { try await store.put([1], at: BlobKey("a\(number)"), tenant: "t") }
    }
    try await put(250)
    for number in 0..<250 { try await store.delete(BlobKey("a\(number)")) }
    noting.fail(true)
    await #expect(throws: StorageError.self) { try await store.sweep() }
    noting.fail(false)
    // Those whose deletion may not have lasted are still listed.
    #expect(try await store.sweep() == 250)
    #expect(noting.syncs == [200, 100, 50])
    #expect(try await store.sweep() == 0)
    try await put(3)
    #expect(try await store.erase("t") == 3)
    #expect(noting.syncs == [200, 100, 50, 3])
  }

  @Test(
    "a blob that is larger than a store allows is refused, however it lies there",
    arguments: ["hot", "warm"]
  )
  func largerThanAllowed(tier: String) async throws {
    let (catalog, key) = (try await catalog(), try BlobKey("a"))
    let store = try store(catalog)
    try await store.put([UInt8](repeating: 7, count: 1000), at: key)
    if tier != "hot" { try await store.move(key, to: tier) }
    let careful = try TieredBlobStore(
      catalog: catalog,
      tiers: store.tiers,
      options: .init(maximumSizeInBytes: 999)
    )
    await #expect { _ = try await careful.get(key) } throws: { ($0 as? StorageError)?.code == .invalidOption }
    #expect(try await store.get(key)?.count == 1000)
  }

  @Test("a blob moves down and is the same there, smaller if it can be")
  func moving() async throws {
    let store = try store(try await catalog())
    let key = try BlobKey("a")
    let bytes = [UInt8](repeating: 7, count: 100_000)
    try await store.put(bytes, at: key)
    #expect(try await store.move(key, to: "warm"))
    #expect(try await !store.move(key, to: "warm"))
    #expect(try await store.move(key, to: "cold"))
    #expect(try await store.get(key) == bytes)
    let record = try #require(try await store.record(key))
    #expect(record.tier == "cold" && record.sizeInBytes == 100_000 && record.storedSizeInBytes < 1000)
    await #expect { try await store.move(key, to: "nowhere") } throws: {
      ($0 as? StorageError)?.code == .invalidOption
    }
    // The old objects stay for readers that are under way, then go.
    #expect(try await objects() == 3)
    #expect(try await store.sweep() == 0)
    clock.advance(601)
    #expect(try await store.sweep() == 2)
    #expect(try await objects() == 1)
    #expect(try await store.get(key) == bytes)
    // What can't be made smaller is stored as it is.
    var random = SeededGenerator(seed: 1)
    let noise = (0..<5000).map { _ in UInt8.random(in: .min ... .max, using: &random) }
    try await store.put(noise, at: BlobKey("noise"))
    #expect(try await store.move(BlobKey("noise"), to: "cold"))
    #expect(try await store.record(BlobKey("noise"))?.storedSizeInBytes == 5000)
    #expect(try await store.get(BlobKey("noise")) == noise)
  }

  @Test("killed at any operation, every blob is readable and moving again ends well", arguments: 1...24)
  func killed(operations: Int) async throws {
    let catalog = try await catalog()
    let life = MortalBlobStore.Life(operations: operations)
    let mortal = try store(catalog, life: life)
    let key = try BlobKey("a")
    var acknowledged: [UInt8]?
    var last: [UInt8]?
    do {
      for round in 0..<3 as Range<UInt8> {
        let bytes = [UInt8](repeating: round, count: 1000)
        last = bytes
        try await mortal.put(bytes, at: key)
        acknowledged = bytes
        try await mortal.move(key, to: "warm")
        try await mortal.move(key, to: "cold")
        _ = try await mortal.get(key)
        clock.advance(700)
        try await mortal.sweep()
      }
    } catch let error as StorageError where error.code == .closed {}
    let store = try store(catalog)
    let back = try await store.get(key)
    #expect(back == acknowledged || back == last)
    if back != nil {
      try await store.move(key, to: "cold")
      #expect(try await store.get(key) == back)
    }
    clock.advance(700)
    while try await store.sweep() > 0 {}
    #expect(try await objects() == (back == nil ? 0 : 1))
    #expect(try await store.get(key) == back)
  }

  @Test("a blob that is replaced while it moves keeps its new contents")
  func replaced() async throws {
    let catalog = try await catalog()
    let store = try store(catalog)
    let key = try BlobKey("a")
    try await store.put([1], at: key)
    let version = try #require(try await store.record(key)).version
    try await store.put([2], at: key)
    #expect(try await !store.move(key, to: "warm", version: version))
    try await store.delete(key, version: version)
    #expect(try await store.get(key) == [2])
    // Writers, movers and readers at the same time.
    try await withThrowingTaskGroup(of: Void.self) { group in
      for value in 10..<20 as Range<UInt8> {
        group.addTask { try await store.put([UInt8](repeating: value, count: 2000), at: key) }
        group.addTask { try await store.move(key, to: value % 2 == 0 ? "warm" : "cold") }
        group.addTask {
          let bytes = try await store.get(key)
          #expect(Set(bytes ?? []).count == 1)
        }
      }
      try await group.waitForAll()
    }
    clock.advance(700)
    while try await store.sweep() > 0 {}
    #expect(try await objects() == 1)
    #expect(Set(try await store.get(key) ?? []).count == 1)
  }

  @Test("damage in any tier is noticed, and a damaged blob doesn't move", arguments: ["hot", "warm"])
  func damage(tier: String) async throws {
    let store = try store(try await catalog())
    let key = try BlobKey("a")
    let bytes = (0..<5000).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 3) }
    try await store.put(bytes, at: key)
    if tier == "warm" { try await store.move(key, to: tier) }
    let place = tier == "hot" ? hot : warm
    let object = try BlobKey(try #require(try await store.record(key)).object)
    let good = try #require(try await place.get(object))
    for index in stride(from: 0, to: good.count, by: max(1, good.count / 20)) {
      var bad = good
      bad[index] ^= 0x55
      try await place.put(bad, at: object)
      // Compressed data has bits that mean nothing, such as the system's name: those may change, the contents not.
      do {
        #expect(try await store.get(key) == bytes)
        if tier == "warm" { continue }
      } catch let error as StorageError {
        #expect(error.code == .corrupt)
      }
      await #expect { try await store.move(key, to: "cold") } throws: {
        ($0 as? StorageError)?.code == .corrupt
      }
    }
    // A blob that says it is small and unpacks to more is refused before it fills the memory.
    if tier == "warm" {
      try await place.put(try Gzip.compress([UInt8](repeating: 0, count: 1 << 20)), at: object)
      await #expect { _ = try await store.get(key) } throws: { ($0 as? StorageError)?.code == .corrupt }
    }
    try await place.delete(object)
    await #expect { _ = try await store.get(key) } throws: { ($0 as? StorageError)?.code == .corrupt }
  }

  @Test("what a tier left behind that is configured no more doesn't keep others from being swept")
  func absentTier() async throws {
    let catalog = try await catalog()
    let old = try TieredBlobStore(
      catalog: catalog,
      tiers: [BlobTier("old", store: InMemoryBlobStore()), BlobTier("hot", store: hot)],
      options: .init(grace: .zero, wallClock: { [clock] in clock.nanoseconds })
    )
    for number in 0..<5 {
      try await old.put([1], at: BlobKey("k\(number)"))
      try await old.move(BlobKey("k\(number)"), to: "hot")
    }
    let store = try store(catalog)
    clock.advance(601)
    for number in 0..<5 { try await store.delete(BlobKey("k\(number)")) }
    clock.advance(601)
    // Five objects of the tier that is gone come first and would fill the limit.
    #expect(try await store.sweep(limit: 3) == 3)
    #expect(try await store.sweep(limit: 3) == 2)
    #expect(try await hot.keys().isEmpty)
  }

  @Test("an erasure doesn't pass over what lies in a tier that is configured no more")
  func erasureOfAbsentTier() async throws {
    let (catalog, gone) = (try await catalog(), InMemoryBlobStore())
    let old = try TieredBlobStore(
      catalog: catalog,
      tiers: [BlobTier("old", store: gone), BlobTier("hot", store: hot)]
    )
    for number in 0..<5 { try await old.put([1], at: BlobKey("k\(number)"), tenant: "t") }
    // One blob lies elsewhere and has left an object behind, the others lie in the tier that is gone.
    try await old.move(BlobKey("k0"), to: "hot")
    let store = try store(catalog)
    await #expect { try await store.erase("t") } throws: { error in
      guard let error = error as? StorageError else { return false }
      return error.code == .invalidOption && error.message.contains("“old”")
    }
    #expect(try await store.keys().isEmpty)
    #expect(try await hot.keys().isEmpty)
    #expect(try await gone.keys().count == 5)
    // Nobody else is hindered, and with the tier there is an end to it.
    #expect(try await store.erase("u") == 0)
    #expect(try await old.erase("t") == 5)
    #expect(try await gone.keys().isEmpty)
    #expect(try await store.erase("t") == 0)
  }

  @Test("a tier that can't delete doesn't keep others from being swept, and is heard of")
  func failingTier() async throws {
    let store = try TieredBlobStore(
      catalog: try await catalog(),
      tiers: [BlobTier("far", store: UndeletingBlobStore()), BlobTier("hot", store: hot)],
      options: .init(grace: .zero, wallClock: { [clock] in clock.nanoseconds })
    )
    for number in 0..<4 {
      try await store.put([1], at: BlobKey("k\(number)"))
      try await store.move(BlobKey("k\(number)"), to: "hot")
      try await store.delete(BlobKey("k\(number)"))
    }
    clock.advance(601)
    await #expect { try await store.sweep() } throws: { ($0 as? StorageError)?.code == .inputOutput }
    #expect(try await hot.keys().isEmpty)
  }

  /// A store whose objects are called `o000`, `o001`, …, of which some can't be deleted.
  private func store(
    _ catalog: SQLiteDatabase,
    locked: @escaping @Sendable (String) -> Bool
  ) throws -> TieredBlobStore {
    let names = Mutex(0)
    return try TieredBlobStore(
      catalog: catalog,
      tiers: [BlobTier("hot", store: UndeletingBlobStore { locked($0.rawValue) })],
      options: .init(
        grace: .zero,
        wallClock: { [clock] in clock.nanoseconds },
        makeObjectName: {
          let number = names.withLock { number in
            defer { number += 1 }
            return number
          }
          return "o" + String(repeating: "0", count: 3 - "\(number)".count) + "\(number)"
        }
      )
    )
  }

  @Test(
    "an object that can't be deleted keeps no other from being erased or swept",
    arguments: [true, false]
  )
  func lockedObject(isErased: Bool) async throws {
    let catalog = try await catalog()
    let store = try store(catalog) { $0 == "o000" }
    for number in 0..<5 { try await store.put([1], at: BlobKey("k\(number)"), tenant: "t") }
    if !isErased { for number in 0..<5 { try await store.delete(BlobKey("k\(number)")) } }
    for _ in 0..<2 {
      clock.advance(1)
      await #expect { _ = try await isErased ? store.erase("t") : store.sweep(limit: 5) } throws: {
        ($0 as? StorageError)?.code == .inputOutput
      }
      #expect(try await store.tiers[0].store.keys().map(\.rawValue) == ["o000"])
    }
    // A name that no key can have, as damage leaves it, is such an object too.
    try await catalog.write { tx in
      try BlobCatalog.loosen("hot", "../o", tenant: "t", due: 0, in: tx)
    }
    try await store.put([1], at: BlobKey("k"), tenant: "t")
    try await store.delete(BlobKey("k"))
    await #expect(throws: StorageError.self) {
      _ = try await isErased ? store.erase("t") : store.sweep(limit: 3)
    }
    #expect(try await store.tiers[0].store.keys().map(\.rawValue) == ["o000"])
  }

  @Test("a catalog that loss of power may take back is refused")
  func relaxedCatalog() async throws {
    let catalog = try await SQLiteDatabase.open(
      .inMemory,
      schemas: [TieredBlobStore.schema],
      options: .init(durability: .relaxed)
    )
    #expect { _ = try store(catalog) } throws: { ($0 as? StorageError)?.code == .invalidOption }
  }

  @Test("loose objects are found by an index, whether by tier or by tenant")
  func plans() async throws {
    let plans = try await catalog().read { tx in
      func plan(_ statement: String, _ values: SQLiteValue...) throws -> String {
        try tx.query("EXPLAIN QUERY PLAN \(statement)", values: values) { try $0.text(3) }
          .joined(separator: "; ")
      }
      return [
        try plan(BlobCatalog.Statement.fresh, .text("hot"), .integer(5), .integer(5)),
        try plan(BlobCatalog.Statement.doomed, .text("hot"), .integer(-5), .integer(5)),
        try plan(BlobCatalog.Statement.tenants, .text("t")),
      ]
    }
    for plan in plans {
      #expect(plan.contains("SEARCH") && !plan.contains("SCAN") && !plan.contains("TEMP B-TREE"), "\(plan)")
    }
  }

  @Test("what an older build was deleting goes on being deleted")
  func migration() async throws {
    let directory = try TemporaryDirectory()
    let path = directory.file("blobs.db")
    let older = try await SQLiteDatabase.open(
      .file(path),
      schemas: [SQLiteSchema("blobs", [TieredBlobStore.schema.migrations[0]])]
    )
    try await older.write { tx in
      try tx.execute("INSERT INTO blob_loose(tier, object, tenant, due) VALUES('hot', 'o', 't', -1)")
    }
    await older.close()
    try await hot.put([1], at: BlobKey("o"))
    let catalog = try await SQLiteDatabase.open(.file(path), schemas: [TieredBlobStore.schema])
    let store = try store(catalog)
    #expect(try await store.sweep() == 1)
    #expect(try await hot.keys().isEmpty)
    #expect(try await store.sweep() == 0)
    await catalog.close()
  }

  @Test("many objects that can't be deleted end an attempt, and later ones come to the others")
  func lockedObjects() async throws {
    let store = try store(try await catalog()) { $0 < "o025" }
    for number in 0..<28 { try await store.put([1], at: BlobKey("k\(number)"), tenant: "t") }
    for number in 0..<28 {
      clock.advance(1)
      try await store.delete(BlobKey("k\(number)"))
    }
    var left: [Int] = []
    for _ in 0..<4 {
      clock.advance(1)
      await #expect(throws: StorageError.self) { try await store.sweep(limit: 10) }
      left.append(try await store.tiers[0].store.keys().count)
    }
    // Two attempts are spent on ten objects each; the third meets five more and the last three.
    #expect(left == [28, 28, 25, 25])
    try await store.put([1], at: BlobKey("k"), tenant: "t")
    clock.advance(1)
    await #expect(throws: StorageError.self) { try await store.erase("t") }
    #expect(try await store.tiers[0].store.keys().count == 25)
  }

  @Test("objects that can't be deleted are tried again in turn")
  func lockedForATime() async throws {
    let isOpen = Mutex(false)
    let store = try store(try await catalog()) { name in !isOpen.withLock { $0 && name >= "o020" } }
    for number in 0..<22 {
      clock.advance(1)
      try await store.put([1], at: BlobKey("k\(number)"))
      try await store.delete(BlobKey("k\(number)"))
    }
    for _ in 0..<3 {
      clock.advance(1)
      await #expect(throws: StorageError.self) { try await store.sweep() }
    }
    isOpen.withLock { $0 = true }
    // Twenty that stay locked are tried ten at a time, before it is the other two's turn again.
    for _ in 0..<3 {
      clock.advance(1)
      await #expect(throws: StorageError.self) { try await store.sweep() }
    }
    #expect(try await store.tiers[0].store.keys().count == 20)
  }

  @Test("a tenant's blobs are gone at once, nobody else's are")
  func erasure() async throws {
    let store = try store(try await catalog())
    for number in 0..<6 {
      try await store.put([1], at: BlobKey("k\(number)"), tenant: number % 2 == 0 ? "a" : "b")
      try await store.put([2], at: BlobKey("k\(number)"), tenant: number % 2 == 0 ? "a" : "b")
    }
    try await store.move(BlobKey("k0"), to: "cold")
    // Three blobs, what they held before, and what one left behind where it moved from.
    #expect(try await store.erase("a") == 7)
    #expect(try await store.keys().map(\.rawValue) == ["k1", "k3", "k5"])
    #expect(try await objects() == 6)
    await #expect(throws: StorageError.self) { try await store.erase("") }
    #expect(try await store.records(tenant: "b", limit: 9).count == 3)
  }

  @Test("a blob whose object is deleted while it is put is refused, not acknowledged and lost")
  func deletedWhilePut() async throws {
    let meeting = MeetingBlobStore()
    let store = try TieredBlobStore(
      catalog: try await catalog(),
      tiers: [BlobTier("hot", store: meeting)]
    )
    let key = try BlobKey("a")
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        await meeting.phase.wait { $0 == .written }
        let count = try await store.erase("t")
        #expect(count == 1)
      }
      await #expect { try await store.put([1, 2, 3], at: key, tenant: "t") } throws: {
        ($0 as? StorageError)?.code == .busy
      }
      meeting.phase.withLock { $0 = .ended }
      try await group.waitForAll()
    }
    #expect(try await store.get(key) == nil)
    // The writer couldn't know whether its object was deleted before or after it was written.
    #expect(try await store.erase("t") == 1)
    #expect(try await store.erase("t") == 0)
  }

  @Test(
    "an object that is written after an erasure passed by is found by the next one",
    arguments: [false, true],
    [false, true]
  )
  func writtenAfterErasure(isMoved: Bool, fails: Bool) async throws {
    let (late, key) = (LateBlobStore(fails: fails), try BlobKey("a"))
    let store = try TieredBlobStore(
      catalog: try await catalog(),
      tiers: isMoved
        ? [BlobTier("hot", store: hot), BlobTier("cold", store: late)] : [BlobTier("hot", store: late)]
    )
    if isMoved { try await store.put([1, 2, 3], at: key, tenant: "t") }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        await late.phase.wait { $0 == .asked }
        // The object isn't there yet, so nothing is deleted, but it gets no name any more.
        _ = try await store.erase("t")
        late.phase.withLock { $0 = .allowed }
      }
      await #expect {
        if isMoved {
          try await store.move(key, to: "cold")
        } else {
          try await store.put([1, 2, 3], at: key, tenant: "t")
        }
      } throws: {
        ($0 as? StorageError)?.code == (fails ? .inputOutput : .busy)
      }
      try await group.waitForAll()
    }
    #expect(try await late.keys().count == 1)
    #expect(try await store.erase("t") == 1)
    #expect(try await late.keys().isEmpty)
    #expect(try await hot.keys().isEmpty)
  }

  @Test(
    "an object that a writer leaves behind after an erasure passed by, killed before it could say so, is swept"
  )
  func killedAfterErasure() async throws {
    let catalog = try await catalog()
    let store = try store(catalog)
    let due = clock.nanoseconds + 600 * 1_000_000_000
    // What a writer does before it writes …
    try await catalog.write { tx in try BlobCatalog.loosen("hot", "late", tenant: "t", due: due, in: tx) }
    #expect(try await store.erase("t") == 1)
    // … and then it writes and is killed.
    try await hot.put([1], at: BlobKey("late"))
    #expect(try await store.sweep() == 0)
    #expect(try await catalog.write { tx in try !BlobCatalog.bind("hot", "late", in: tx) })
    #expect(try await store.erase("t") == 0)
    #expect(try await hot.keys().isEmpty)
    try await hot.put([1], at: BlobKey("late"))
    clock.advance(601)
    #expect(try await store.sweep() == 1)
    #expect(try await hot.keys().isEmpty)
    #expect(
      try await catalog.read { tx in try tx.first("SELECT count(*) FROM blob_loose") { try $0.int(0) } } == 0
    )
  }

  @Test("an object whose writer may be at work stays listed until its time, also where deleting it failed")
  func failedBeforeItsTime() async throws {
    let catalog = try await catalog()
    let isLocked = Mutex(true)
    let tier = UndeletingBlobStore { _ in isLocked.withLock { $0 } }
    let (clock, due) = (clock, clock.nanoseconds + 600 * 1_000_000_000)
    let store = try TieredBlobStore(
      catalog: catalog,
      tiers: [BlobTier("hot", store: tier)],
      options: .init(wallClock: { clock.nanoseconds })
    )
    try await catalog.write { tx in try BlobCatalog.loosen("hot", "late", tenant: "t", due: due, in: tx) }
    await #expect(throws: StorageError.self) { try await store.erase("t") }
    isLocked.withLock { $0 = false }
    // Nothing for a sweep yet; its writer writes, and is killed.
    #expect(try await store.sweep() == 0)
    try await tier.put([1], at: BlobKey("late"))
    clock.advance(601)
    #expect(try await store.sweep() == 1)
    #expect(try await tier.keys().isEmpty)
  }

  @Test("an erasure takes along what killed writers left half written")
  func leftovers() async throws {
    let directory = try TemporaryDirectory()
    let files = try FileBlobStore(folder: directory.file("cold"))
    let store = try TieredBlobStore(
      catalog: try await catalog(),
      tiers: [BlobTier("hot", store: hot), BlobTier("cold", store: files)]
    )
    #expect(try await files.keys().isEmpty)
    let path = directory.file("cold/.new-x-1")
    try Data([1]).write(to: URL(fileURLWithPath: path))
    #expect(try await store.erase("t") == 0)
    #expect(!FileManager.default.fileExists(atPath: path))
  }

  @Test("reads are remembered roughly, so that reading costs few writes")
  func reads() async throws {
    let store = try store(try await catalog())
    let key = try BlobKey("a")
    try await store.put([1], at: key)
    let first = try #require(try await store.record(key)).readAt
    clock.advance(59)
    _ = try await store.get(key)
    #expect(try await store.record(key)?.readAt == first)
    clock.advance(2)
    _ = try await store.get(key)
    #expect(try await store.record(key)?.readAt == first + 61_000_000_000)
  }

  @Test("a blob is read while nothing can be written to the catalog")
  func readWhileLocked() async throws {
    let directory = try TemporaryDirectory()
    let path = directory.file("blobs.db")
    let catalog = try await SQLiteDatabase.open(
      .file(path),
      schemas: [TieredBlobStore.schema],
      options: .init(busyTimeout: .milliseconds(50))
    )
    let (store, key) = (try store(catalog), try BlobKey("a"))
    try await store.put([1, 2, 3], at: key)
    let first = try #require(try await store.record(key)).readAt
    clock.advance(7200)
    let other = try SQLiteConnection(path: path, isReader: false, busyTimeout: .seconds(5), fileSystem: nil)
    try other.run("BEGIN IMMEDIATE")
    #expect(try await store.get(key) == [1, 2, 3])
    #expect(try await store.record(key)?.readAt == first)
    try other.run("ROLLBACK")
    other.close()
    #expect(try await store.get(key) == [1, 2, 3])
    #expect(try await store.record(key)?.readAt == first + 7_200_000_000_000)
    await catalog.close()
  }

  @Test("the last rule that fits decides, nothing gets warmer, clocks set back age nothing")
  func policy() async throws {
    let store = try store(try await catalog())
    try await store.put([UInt8](repeating: 1, count: 100), at: BlobKey("a"), tenant: "t")
    var blob = try #require(try await store.record(BlobKey("a")))
    let tiers = store.tiers.map(\.name)
    let policy = LifecyclePolicy([
      .move(to: "warm", unreadFor: .seconds(10)),
      .move(to: "cold", unreadFor: .seconds(100), minimumSizeInBytes: 50),
      .delete(storedFor: .seconds(1000)),
      .move(to: "hot", tenant: "vip"),
    ])
    func decision(_ seconds: Int64) -> LifecyclePolicy.Decision {
      policy.decision(for: blob, now: blob.storedAt + seconds * 1_000_000_000, tiers: tiers)
    }
    #expect(decision(9) == .keep && decision(10) == .move(to: "warm") && decision(100) == .move(to: "cold"))
    #expect(decision(1000) == .delete && decision(-5) == .keep)
    blob.tier = "cold"
    #expect(decision(10) == .keep)
    blob.tier = "hot"
    blob.sizeInBytes = 49
    #expect(decision(500) == .move(to: "warm"))
    blob.tenant = "vip"
    #expect(decision(5000) == .keep)
  }

  @Test("what was compressed comes back", arguments: [0, 1, 65_535, 65_536, 65_537, 300_000])
  func gzip(size: Int) throws {
    var random = SeededGenerator(seed: UInt64(size))
    for isNoise in [true, false] {
      let bytes = (0..<size).map { isNoise ? UInt8.random(in: .min ... .max, using: &random) : UInt8($0 % 7) }
      #expect(try Gzip.decompress(try Gzip.compress(bytes), limit: size) == bytes)
    }
  }
}
