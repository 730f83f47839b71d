// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldStorage
import TenfoldTesting
import Testing

@testable import TenfoldJobs

@Suite("A job that may take its worker down once more", .timeLimit(.minutes(5)))
struct LastChanceTests {
  private struct Work: DurableJob {
    static let name: JobName = "work.v1"
    var number: Int
  }

  @Test("runs alone, and those that came with it run before or after", arguments: [false, true])
  func alone(onDisk: Bool) async throws {
    let clock = ManualStoreClock()
    let store: any JobStore =
      onDisk
      ? try await SQLiteJobStore.open(.inMemory, clock: clock.clock) : InMemoryJobStore(clock: clock.clock)
    let queue = JobQueue(store: store)
    let suspects = try await queue.enqueue(
      (0..<2).map { Work(number: $0) },
      options: JobOptions(crashLimit: 2)
    )
    let lost = try await store.claim(ClaimRequest(maximum: 2))
    #expect(lost.allSatisfy { $0.crashLimit == 2 && !$0.isLastChance })
    clock.advance(by: .seconds(11))
    #expect(try await store.reap(limit: 9) == 2)
    let first = try await queue.enqueue(Work(number: 10))
    let running = WatchedState<Set<Int>>([])
    // Others wait no longer than a lease, which is long enough for the busiest machine.
    let worker = JobWorker(store: store, options: .init(prefetch: 2, lease: .seconds(600))) { handlers in
      handlers.handle(Work.self) { job, context in
        let beside = running.withLock { running in
          running.insert(job.number)
          return running
        }
        #expect(context.lease.isLastChance == (job.number < 2))
        #expect(beside.count == 1 || beside.allSatisfy { $0 >= 2 }, "\(beside)")
        for _ in 0..<50 { await Task.yield() }
        running.withLock { _ = $0.remove(job.number) }
      }
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await worker.run() }
      let others = try await queue.enqueue((11..<30).map { Work(number: $0) })
      for handle in suspects + [first] + others { _ = try await handle.value }
      worker.drain()
      try await group.waitForAll()
    }
    for handle in suspects + [first] { #expect(try await handle.snapshot?.attempts == 1) }
  }

  /// A job that has lost a lease and will lose no other, on a queue that is paused.
  private func suspect(in store: any JobStore, _ clock: ManualStoreClock) async throws -> JobHandle<Work> {
    let handle = try await JobQueue(store: store)
      .enqueue(Work(number: 0), options: JobOptions(queue: "suspects", crashLimit: 2))
    #expect(try await store.claim(ClaimRequest(queues: ["suspects"], maximum: 1)).count == 1)
    clock.advance(by: .seconds(11))
    #expect(try await store.reap(limit: 1) == 1)
    try await store.control(.pause("suspects"))
    return handle
  }

  /// What runs waits for a job that can't begin before it.
  @Test("waits for others, and they for it, no longer than a lease", .timeLimit(.minutes(1)))
  func circle() async throws {
    let clock = ManualStoreClock()
    let store = InMemoryJobStore(clock: clock.clock)
    let queue = JobQueue(store: store)
    let suspect = try await suspect(in: store, clock)
    let options = JobWorker.Options(
      queues: [.standard, "suspects"],
      prefetch: 0,
      lease: .milliseconds(200)
    )
    let worker = JobWorker(store: store, options: options) { handlers in
      handlers.handle(Work.self) { job, context in
        // The suspect comes while the first runs, and both want another job done before they end.
        if job.number == 10 {
          try await store.control(.resume("suspects"))
          _ = try await suspect.value
        }
        if job.number == 0 { _ = try await queue.enqueue(Work(number: 11)).value }
      }
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await worker.run() }
      _ = try await queue.enqueue(Work(number: 10)).value
      worker.drain()
      try await group.waitForAll()
    }
  }

  @Test("leaves when it is cancelled, and what waits for it goes on", .timeLimit(.minutes(1)))
  func cancelled() async throws {
    let clock = ManualStoreClock()
    let store = InMemoryJobStore(clock: clock.clock)
    let queue = JobQueue(store: store)
    let suspect = try await suspect(in: store, clock)
    let (opened, open) = AsyncStream<Void>.makeStream()
    // A heartbeat comes soon, but a lease is too long to be waited for.
    let options = JobWorker.Options(queues: [.standard, "suspects"], concurrency: 2, lease: .seconds(6))
    let worker = JobWorker(store: store, options: options) { handlers in
      handlers.handle(Work.self) { job, _ in
        if job.number == 10 { for await _ in opened { return } }
      }
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await worker.run() }
      defer { open.finish() }
      let long = try await queue.enqueue(Work(number: 10))
      while try await long.snapshot?.state != .running { await Task.yield() }
      try await store.control(.resume("suspects"))
      while try await suspect.snapshot?.state != .running { await Task.yield() }
      try await suspect.cancel()
      await #expect(throws: JobError.self) { try await suspect.value }
      _ = try await queue.enqueue(Work(number: 11)).value
      #expect(try await long.snapshot?.state == .running)
      open.finish()
      _ = try await long.value
      worker.drain()
      try await group.waitForAll()
    }
  }

  /// Each of its runs keeps its place for ever.
  @Test("and hangs is a dead letter in the end, and others run", .timeLimit(.minutes(1)))
  func hung() async throws {
    let store = InMemoryJobStore()
    let queue = JobQueue(store: store)
    let (ends, end) = AsyncStream<Void>.makeStream()
    let options = JobWorker.Options(
      concurrency: 3,
      prefetch: 0,
      lease: .milliseconds(100),
      runTimeLimit: .milliseconds(20)
    )
    let worker = JobWorker(store: store, options: options) { handlers in
      handlers.handle(Work.self) { job, _ in
        if job.number == 0 { await Task { for await _ in ends { return } }.value }
      }
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await worker.run() }
      defer { end.finish() }
      let hanging = try await queue.enqueue(Work(number: 0), options: JobOptions(crashLimit: 2))
      await #expect(throws: JobError.self) { try await hanging.value }
      _ = try await queue.enqueue(Work(number: 1)).value
      end.finish()
      worker.drain()
      try await group.waitForAll()
    }
  }

  @Test("with a limit of one no job is under suspicion before its first run")
  func limits() {
    for (crashes, limit, isLast) in [
      (0, 1, false), (0, 2, false), (1, 2, true), (1, 3, false), (2, 3, true), (5, .max, false),
      (1, .min, true),
    ] {
      let lease = JobLease(
        reference: .init(id: RawJobID(), fence: 1),
        queue: .standard,
        name: "x",
        payload: [],
        attempt: 1,
        maximumAttempts: 1,
        crashCount: crashes,
        checkpoint: nil,
        trace: [:],
        crashLimit: limit
      )
      #expect(lease.isLastChance == isLast)
    }
  }
}
