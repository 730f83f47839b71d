// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import TenfoldCore
import TenfoldStorage
import TenfoldTesting
import Testing

@testable import TenfoldJobs

@Suite("Blobs move by jobs")
struct BlobLifecycleTests {
  private final class Clock: Sendable {
    private let now = Mutex<Int64>(1_700_000_000_000_000_000)
    var nanoseconds: Int64 { now.withLock { $0 } }
    func advance(_ seconds: Int64) { now.withLock { $0 += seconds * 1_000_000_000 } }
  }

  @Test("the moves of two stores of blobs, each with a queue of its own, keep out of each other's way")
  func twoStores() async throws {
    let store = InMemoryJobStore()
    let clock = Clock()
    for queue in ["a", "b"] as [QueueName] {
      let blobs = try TieredBlobStore(
        catalog: try await SQLiteDatabase.open(.inMemory, schemas: [TieredBlobStore.schema]),
        tiers: [BlobTier("hot", store: InMemoryBlobStore()), BlobTier("cold", store: InMemoryBlobStore())],
        options: .init(wallClock: { clock.nanoseconds })
      )
      try await blobs.put([1], at: BlobKey("same"))
      let lifecycle = BlobLifecycle(
        blobs: blobs,
        policy: LifecyclePolicy([.move(to: "cold", unreadFor: .zero)]),
        queue: queue
      )
      for _ in 0..<2 { #expect(try await lifecycle.enqueueDue(in: JobQueue(store: store)) == 1) }
      #expect(try await store.observe(.init(queues: [queue])).ready == 2)
    }
  }

  @Test("moves are handed in together, as far as the queue's depth allows", arguments: [nil, 7])
  func commits(depth: Int?) async throws {
    let clock = Clock()
    let blobs = try TieredBlobStore(
      catalog: try await SQLiteDatabase.open(.inMemory, schemas: [TieredBlobStore.schema]),
      tiers: [BlobTier("hot", store: InMemoryBlobStore()), BlobTier("cold", store: InMemoryBlobStore())],
      options: .init(wallClock: { clock.nanoseconds })
    )
    for number in 0..<20 { try await blobs.put([UInt8(number)], at: BlobKey("b\(number)")) }
    let lifecycle = BlobLifecycle(
      blobs: blobs,
      policy: LifecyclePolicy([.move(to: "cold", unreadFor: .zero)])
    )
    let store = try await SQLiteJobStore.open(.inMemory)
    guard let depth else {
      let before = store.database.statistics.commits
      #expect(try await lifecycle.enqueueDue(in: JobQueue(store: store)) == 20)
      // The moves, and the sweep.
      #expect(store.database.statistics.commits - before == 2)
      return await store.close()
    }
    let queue = JobQueue(store: store, maximumDepth: depth, whenFull: .wait)
    let worker = JobWorker(store: store, options: .init(queues: ["blobs"])) { lifecycle.register(in: &$0) }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await worker.run() }
      #expect(try await lifecycle.enqueueDue(in: queue) == 20)
      worker.drain()
      try await group.waitForAll()
    }
    await store.close()
  }

  @Test("a blob that is read after its job was handed in stays", arguments: [nil, "cold"])
  func readMeanwhile(tier: String?) async throws {
    let clock = Clock()
    let cold = InMemoryBlobStore()
    let blobs = try TieredBlobStore(
      catalog: try await SQLiteDatabase.open(.inMemory, schemas: [TieredBlobStore.schema]),
      tiers: [BlobTier("hot", store: InMemoryBlobStore()), BlobTier("cold", store: cold)],
      options: .init(wallClock: { clock.nanoseconds })
    )
    let day = Duration.seconds(86_400)
    let rule: LifecyclePolicy.Rule =
      tier.map { LifecyclePolicy.Rule.move(to: $0, unreadFor: day) } ?? .delete(unreadFor: day)
    let lifecycle = BlobLifecycle(blobs: blobs, policy: LifecyclePolicy([rule]))
    for name in ["read", "unread"] { try await blobs.put([1], at: BlobKey(name)) }
    clock.advance(2 * 86_400)
    let store = InMemoryJobStore()
    let queue = JobQueue(store: store)
    #expect(try await lifecycle.enqueueDue(in: queue) == 2)
    #expect(try await blobs.get(BlobKey("read")) == [1])
    let worker = JobWorker(store: store, options: .init(queues: ["blobs"])) { lifecycle.register(in: &$0) }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await worker.run() }
      let wakeups = store.wakeups
      if try await !isIdle(store) { for await _ in wakeups { if try await isIdle(store) { break } } }
      worker.drain()
      try await group.waitForAll()
    }
    #expect(try await blobs.record(BlobKey("read"))?.tier == "hot")
    #expect(try await blobs.record(BlobKey("unread"))?.tier == tier)
    #expect(try await store.observe(.init()).dead == 0)
  }

  @Test("what the policy wants elsewhere goes there, and old objects are swept", arguments: [false, true])
  func moving(onDisk: Bool) async throws {
    let clock = Clock()
    let (hot, cold) = (InMemoryBlobStore(), InMemoryBlobStore())
    let blobs = try TieredBlobStore(
      catalog: try await SQLiteDatabase.open(.inMemory, schemas: [TieredBlobStore.schema]),
      tiers: [BlobTier("hot", store: hot), BlobTier("cold", store: cold, compression: .gzip())],
      options: .init(grace: .seconds(60), wallClock: { clock.nanoseconds })
    )
    let lifecycle = BlobLifecycle(
      blobs: blobs,
      policy: LifecyclePolicy([
        .move(to: "cold", unreadFor: .seconds(3600)), .delete(storedFor: .seconds(86_400)),
      ])
    )
    let store: any JobStore = onDisk ? try await SQLiteJobStore.open(.inMemory) : InMemoryJobStore()
    let queue = JobQueue(store: store)
    for number in 0..<20 { try await blobs.put([UInt8(number)], at: BlobKey("b\(number)"), tenant: "t") }
    #expect(try await lifecycle.enqueueDue(in: queue) == 0)
    clock.advance(3600)
    try await blobs.put([99], at: BlobKey("b3"), tenant: "t")
    // Handed in twice, there is one job for each blob, and one that sweeps.
    for _ in 0..<2 { #expect(try await lifecycle.enqueueDue(in: queue) == 19) }
    #expect(try await store.observe(.init()).ready == 20)
    // A blob that gets new contents before its job runs stays.
    try await blobs.put([98], at: BlobKey("b4"), tenant: "t")
    let worker = JobWorker(store: store, options: .init(queues: ["blobs"])) { lifecycle.register(in: &$0) }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await worker.run() }
      let wakeups = store.wakeups
      if try await !isIdle(store) { for await _ in wakeups { if try await isIdle(store) { break } } }
      #expect(try await cold.keys().count == 18)
      #expect(try await blobs.get(BlobKey("b4")) == [98])
      clock.advance(86_400)
      let later = store.wakeups
      #expect(try await lifecycle.enqueueDue(in: queue) == 20)
      if try await !isIdle(store) { for await _ in later { if try await isIdle(store) { break } } }
      worker.drain()
      try await group.waitForAll()
    }
    #expect(try await blobs.keys().isEmpty)
    clock.advance(61)
    while try await blobs.sweep() > 0 {}
    #expect(try await hot.keys().isEmpty)
    #expect(try await cold.keys().isEmpty)
    #expect(try await store.observe(.init()).dead == 0)
  }

  private func isIdle(_ store: any JobStore) async throws -> Bool {
    let stats = try await store.observe(.init())
    return stats.ready + stats.running == 0
  }
}
