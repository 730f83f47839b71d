// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldStorage
import TenfoldTesting
import Testing

@testable import TenfoldJobs

private struct Work: DurableJob {
  typealias Output = NoOutput
  static let name: JobName = "work"
  func run(_ context: JobContext) async throws -> NoOutput { NoOutput() }
}

@Suite("Jobs that expire", .timeLimit(.minutes(10)))
struct JobExpiryTests {
  @Test("are news for whoever waits for them, or for their place", arguments: [false, true])
  func hints(onDisk: Bool) async throws {
    let clock = ManualStoreClock()
    let store: any JobStore & HintingJobStore =
      onDisk
      ? try await SQLiteJobStore.open(.inMemory, clock: clock.clock) : InMemoryJobStore(clock: clock.clock)
    let queue = JobQueue(store: store, maximumDepth: 1, whenFull: .wait)
    let late = try await queue.enqueue(Work(), options: JobOptions(expiresAfter: .seconds(1)))
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        await #expect { _ = try await late.value } throws: { ($0 as? JobError)?.code == .dead }
      }
      group.addTask { _ = try await queue.enqueue(Work()) }
      while store.hub.receiverCount == 0 || store.room.receiverCount == 0 { await Task.yield() }
      // Both look once, and then wait for a hint: by now they do.
      for _ in 0..<50 { _ = try await store.observe(.init(jobs: [late.id.raw])) }
      clock.advance(by: .seconds(2))
      #expect(try await store.claim(ClaimRequest(maximum: 1)).isEmpty)
      try await group.waitForAll()
    }
    #expect(try await store.observe(.init()).ready == 1)
  }

  @Test(
    "… as are those that fail because the time of a dead letter they wait for is over",
    arguments: [false, true]
  )
  func dependents(onDisk: Bool) async throws {
    let clock = ManualStoreClock()
    let retention = Duration.seconds(60)
    let store: any JobStore & HintingJobStore =
      onDisk
      ? try await SQLiteJobStore.open(.inMemory, deadRetention: retention, clock: clock.clock)
      : InMemoryJobStore(deadRetention: retention, clock: clock.clock)
    let queue = JobQueue(store: store)
    let parent = try await queue.enqueue(Work())
    let child = try await queue.enqueue(Work(), options: JobOptions(after: [parent.id.raw]))
    for lease in try await store.claim(ClaimRequest(maximum: 1)) {
      _ = try await store.settle([JobSettlement(lease.reference, .dead(error: "x"))])
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        await #expect { _ = try await child.value } throws: { ($0 as? JobError)?.code == .dead }
      }
      while store.hub.receiverCount == 0 { await Task.yield() }
      // It looks once, and then waits for a hint: by now it does.
      for _ in 0..<50 { _ = try await store.observe(.init(jobs: [child.id.raw])) }
      clock.advance(by: .seconds(61))
      #expect(try await store.claim(ClaimRequest(maximum: 1)).isEmpty)
      try await group.waitForAll()
    }
  }

  @Test("must have some time", arguments: [.zero, .seconds(-1)] as [Duration])
  func refused(limit: Duration) throws {
    #expect(throws: JobError.self) { try NewJob(Work(), options: JobOptions(expiresAfter: limit)) }
  }
}
