// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import CTenfoldFaultVFS
import Synchronization
import TenfoldStorage
import TenfoldTestSupport
import TenfoldTesting
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

  @Test(
    "a job that goes straight to a worker is as one that was claimed: it expires, is fenced, and ends once"
  )
  func straight() async throws {
    let clock = ManualStoreClock()
    let store = try await SQLiteJobStore.open(.inMemory, clock: clock.clock)
    let received = Received()
    let request = ClaimRequest(maximum: 2, leaseFor: .seconds(10))
    _ = store.idleWorkers.wait(request) { leases, _ in received.add(leases) }
    let options = JobOptions(tenant: "a", maximumAttempts: 4, uniqueKey: "u", trace: ["t": "1"])
    let job = NewJob(name: "x", payload: [7], options: options)
    var hints = store.wakeups.makeAsyncIterator()
    _ = try await store.enqueue([job])
    let lease = try #require(received.leases.first)
    #expect(lease.reference == .init(id: job.id, fence: 1) && lease.payload == [7] && lease.tenant == "a")
    #expect(lease.attempt == 1 && lease.maximumAttempts == 4 && lease.trace == ["t": "1"])
    let stats = try await store.observe(.init())
    #expect(stats.running == 1 && stats.ready == 0)
    // The same again is a duplicate by its id, another one by its key; it wakes whoever lost their place for it.
    _ = store.idleWorkers.wait(request) { leases, _ in received.add(leases) }
    #expect(try await store.enqueue([job]) == [.duplicate(of: job.id)])
    #expect(await hints.next() == .ready)
    _ = store.idleWorkers.wait(request) { leases, _ in received.add(leases) }
    let twin = NewJob(name: "x", payload: [], options: JobOptions(uniqueKey: "u"))
    #expect(try await store.enqueue([twin]) == [.duplicate(of: job.id)])
    #expect(received.leases.count == 1)
    // Its lease ends as any other: the crash counts, and its worker comes too late.
    clock.advance(by: .seconds(11))
    #expect(try await store.extend([lease.reference], by: .seconds(9), updates: [nil]) == [.lost])
    #expect(try await store.reap(limit: 9) == 1)
    let next = try #require(try await store.claim(request).first)
    #expect(next.reference.fence == 2 && next.crashCount == 1 && next.trace == ["t": "1"])
    let ends = [lease, next].map { JobSettlement($0.reference, .done(result: nil)) }
    #expect(try await store.settle(ends) == [.fenced, .applied])
    await store.close()
  }

  @Test(
    "a worker that waits gets what a claim would have given it, and the store is left as by a claim",
    arguments: 1...100
  )
  func asAClaim(seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    let clock = ManualStoreClock()
    let model = InMemoryJobStore(clock: clock.clock)
    let store = try await SQLiteJobStore.open(.inMemory, clock: clock.clock)
    let received = Received()
    var (held, ids, ticket) = ([JobLease.Reference](), [RawJobID](), Int?.none)
    for step in 0..<120 {
      let note: Comment = "seed \(seed), step \(step)"
      clock.advance(by: .milliseconds(Int.random(in: 0...1500, using: &random)))
      let request = ClaimRequest(
        queues: Bool.random(using: &random) ? [.standard] : [.standard, "other"],
        maximum: Int.random(in: 1...3, using: &random),
        leaseFor: .seconds(Int.random(in: 2...9, using: &random))
      )
      switch Int.random(in: 0..<8, using: &random) {
      case 0...3:
        let job = newJob(step, ids, &random)
        ids.append(job.id)
        // Someone waits who found nothing.
        let before = received.leases.count
        var expected = try await model.claim(request).map(\.reference)
        #expect(try await store.claim(request).map(\.reference) == expected, note)
        held += expected
        guard expected.isEmpty else { continue }
        ticket = store.idleWorkers.wait(request) { leases, _ in received.add(leases) }
        #expect(try await model.enqueue([job]) == store.enqueue([job]), note)
        // Only a job for one of its queues, to be run at once, is looked at in its name.
        if job.options.delay <= .zero, request.queues.contains(job.options.queue) {
          expected = try await model.claim(request).map(\.reference)
        }
        let got = received.leases.dropFirst(before).map(\.reference)
        #expect(got == expected, note)
        held += got
        if let ticket { store.idleWorkers.leave(ticket) }
      case 4:
        let command: JobControl = Bool.random(using: &random) ? .pause(.standard) : .resume(.standard)
        try await model.control(command)
        try await store.control(command)
      case 5: #expect(try await model.reap(limit: 100) == store.reap(limit: 100), note)
      default:
        guard let reference = held.randomElement(using: &random) else { continue }
        let outcome: JobSettlement.Outcome =
          Bool.random(using: &random) ? .done(result: nil) : .retry(after: .seconds(1), error: "e")
        let end = JobSettlement(reference, outcome)
        #expect(try await model.settle([end]) == store.settle([end]), note)
      }
      let query = JobStats.Query(jobs: ids)
      let (left, right) = (try await model.observe(query), try await store.observe(query))
      #expect(left.ready == right.ready && left.running == right.running && left.dead == right.dead, note)
      #expect(left.untilNextDue == right.untilNextDue, note)
      #expect(left.jobs.map(\.state) == right.jobs.map(\.state), note)
      #expect(left.jobs.map(\.fence) == right.jobs.map(\.fence), note)
    }
    await store.close()
  }

  /// Of one tenant and level: turns between them may differ, as a job that took none leaves them as they were.
  private func newJob(_ step: Int, _ ids: [RawJobID], _ random: inout SeededGenerator) -> NewJob {
    func chance(_ one: Int) -> Bool { Int.random(in: 0..<one, using: &random) == 0 }
    let options = JobOptions(
      queue: chance(4) ? "other" : .standard,
      delay: .seconds(chance(3) ? Int.random(in: 1...5, using: &random) : 0),
      uniqueKey: chance(4) ? "u" : nil,
      uniqueRetention: .seconds(2),
      concurrencyKey: chance(4) ? "c" : nil,
      rateLimit: chance(5) ? JobRateLimit(key: "r", count: 1, per: .seconds(2)) : nil,
      after: chance(5) ? ids.suffix(1) : [],
      resultRetention: .seconds(10_000)
    )
    return NewJob(
      id: RawJobID(milliseconds: UInt64(step), using: &random),
      name: "x",
      payload: [],
      options: options
    )
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

  @Test("jobs that come to a worker that waits run no more at once than it may", arguments: [1, 3])
  func concurrency(limit: Int) async throws {
    let store = try await SQLiteJobStore.open(.inMemory)
    let running = Mutex((now: 0, most: 0))
    let options = JobWorker.Options(concurrency: limit, prefetch: 2, pollInterval: nil)
    let worker = JobWorker(store: store, options: options) { handlers in
      handlers.handle(Work.self) { _, _ in
        running.withLock { $0 = ($0.now + 1, max($0.most, $0.now + 1)) }
        for _ in 0..<20 { await Task.yield() }
        running.withLock { $0.now -= 1 }
      }
    }
    let queue = JobQueue(store: store)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await worker.run() }
      var handles: [JobHandle<Work>] = []
      for _ in 0..<60 { handles.append(try await queue.enqueue(Work())) }
      for handle in handles { _ = try await handle.value }
      worker.drain()
      try await group.waitForAll()
    }
    #expect(running.withLock { $0.most } <= limit)
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

  @Test(
    "a run that hangs beyond its time leaves its job to another worker, though no store hints of it",
    .timeLimit(.minutes(1))
  )
  func hungRun() async throws {
    let store = try await SQLiteJobStore.open(.inMemory)
    let runs = Mutex(0)
    let (ends, end) = AsyncStream<Void>.makeStream()
    let options = JobWorker.Options(
      concurrency: 1,
      prefetch: 0,
      lease: .seconds(1),
      runTimeLimit: .milliseconds(20)
    )
    let workers = (0..<2).map { _ in
      JobWorker(store: store, options: options) { handlers in
        handlers.handle(Work.self) { _, _ in
          let number = runs.withLock { runs in
            runs += 1
            return runs
          }
          // The first one doesn't hear that it has to end.
          guard number == 1 else { return }
          await Task { for await _ in ends { return } }.value
        }
      }
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for worker in workers { group.addTask { try await worker.run() } }
      // Also where this fails: the workers wait for it.
      defer { end.finish() }
      while store.idleWorkers.count < 2 { await Task.yield() }
      _ = try await JobQueue(store: store).enqueue(Work()).value
      #expect(runs.withLock { $0 } == 2)
      end.finish()
      for worker in workers { worker.drain() }
      try await group.waitForAll()
    }
    await store.close()
  }
}
