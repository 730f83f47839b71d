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
    let worker = JobWorker(store: store, options: .init(prefetch: 2)) { handlers in
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
