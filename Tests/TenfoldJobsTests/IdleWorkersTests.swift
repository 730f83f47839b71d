// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import CTenfoldFaultVFS
import Synchronization
import TenfoldStorage
import TenfoldTestSupport
import Testing

@testable import TenfoldJobs

@Suite("A job goes to an idle worker in the commit that accepts it")
struct IdleWorkersTests {
  private final class Received: Sendable {
    private let list = Mutex<[JobLease]>([])
    func add(_ leases: [JobLease]) { list.withLock { $0 += leases } }
    var leases: [JobLease] { list.withLock { $0 } }
  }

  private struct Work: DurableJob {
    static let name: JobName = "work.v1"
    func run(_ context: JobContext) async throws -> NoOutput { NoOutput() }
  }

  @Test("one commit, and the lease is there when the producer hears of it")
  func oneCommit() async throws {
    let store = try await SQLiteJobStore.open(.inMemory)
    let received = Received()
    _ = store.idleWorkers.wait(ClaimRequest(maximum: 2)) { leases, _ in received.add(leases) }
    let commits = store.database.statistics.commits
    let jobs = (0..<3).map { _ in NewJob(name: "x", payload: [7]) }
    _ = try await store.enqueue(jobs)
    #expect(store.database.statistics.commits == commits + 1)
    #expect(received.leases.map(\.reference.id) == jobs.prefix(2).map(\.id))
    #expect(received.leases.allSatisfy { $0.payload == [7] && $0.attempt == 1 })
    // A worker is served once; the rest is claimed as ever.
    #expect(try await store.claim(ClaimRequest(maximum: 5)).map(\.reference.id) == [jobs[2].id])
    let ends = received.leases.map { JobSettlement($0.reference, .done(result: nil)) }
    #expect(try await store.settle(ends) == [.applied, .applied])
    await store.close()
  }

  @Test("nothing comes to workers of other queues, that left, or for later")
  func others() async throws {
    let store = try await SQLiteJobStore.open(.inMemory)
    let received = Received()
    let ticket = store.idleWorkers.wait(ClaimRequest(maximum: 2)) { leases, _ in received.add(leases) }
    _ = try await store.enqueue([NewJob(name: "x", payload: [], options: JobOptions(queue: "other"))])
    _ = try await store.enqueue([NewJob(name: "x", payload: [], options: JobOptions(delay: .seconds(60)))])
    store.idleWorkers.leave(ticket)
    _ = try await store.enqueue([NewJob(name: "x", payload: [])])
    #expect(received.leases.isEmpty)
    await store.close()
  }

  @Test("a commit that fails hands out nothing")
  func failedCommit() async throws {
    let directory = try TemporaryDirectory()
    let disk = try #require(FaultDisk())
    let store = try await SQLiteJobStore.open(.file(directory.file("jobs.db")), options: disk.options())
    let received = Received()
    _ = store.idleWorkers.wait(ClaimRequest(maximum: 2)) { leases, _ in received.add(leases) }
    disk.arm(TENFOLD_FAULT_WRITE, 0, -1)
    await #expect(throws: StorageError.self) { try await store.enqueue([NewJob(name: "x", payload: [])]) }
    disk.heal()
    #expect(received.leases.isEmpty)
    #expect(try await store.observe(.init()).running == 0)
    await store.close()
  }

  @Test("a worker that drains while jobs come gives back or ends each of them", arguments: 0..<30)
  func draining(jobsBefore: Int) async throws {
    let store = try await SQLiteJobStore.open(.inMemory)
    let runs = Atomic(0)
    let worker = JobWorker(store: store, options: .init(concurrency: 2, pollInterval: nil)) { handlers in
      handlers.handle(Work.self) { _, _ in
        runs.add(1, ordering: .relaxed)
        await Task.yield()
      }
    }
    let queue = JobQueue(store: store)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await worker.run() }
      for _ in 0..<3 { group.addTask { for _ in 0..<40 { try await queue.enqueue(Work()) } } }
      for _ in 0..<jobsBefore { try await queue.enqueue(Work()) }
      worker.drain()
      try await group.waitForAll()
    }
    let stats = try await store.observe(.init(list: .init(state: .done, limit: 1000)))
    #expect(stats.running == 0 && stats.dead == 0)
    #expect(stats.ready + stats.listed.count == 120 + jobsBefore)
    #expect(stats.listed.count == runs.load(ordering: .relaxed))
    #expect(stats.listed.allSatisfy { $0.attempts == 1 })
    await store.close()
  }
}
