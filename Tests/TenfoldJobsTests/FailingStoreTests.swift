// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import TenfoldStorage
import TenfoldTestSupport
import TenfoldTesting
import Testing

@testable import TenfoldJobs

@Suite("A worker keeps its promises over a store that hangs, fails or closes", .timeLimit(.minutes(10)))
struct FailingStoreTests {
  private struct Work: DurableJob {
    static let name: JobName = "work.v1"
  }

  @Test(
    "each run is told to stop when its lease ends, also while the store doesn't answer the heartbeat",
    .timeLimit(.minutes(2))
  )
  func hangingHeartbeat() async throws {
    let (answers, answer) = AsyncStream<Void>.makeStream()
    let store = WrappedStore(beforeExtend: { for await _ in answers { return } })
    let (stops, stop) = AsyncStream<Void>.makeStream()
    let worker = JobWorker(store: store, options: .init(lease: .milliseconds(100))) { handlers in
      handlers.handle(Work.self) { _, _ in
        do { try await Task.sleep(for: .seconds(3600)) } catch {
          stop.yield()
          throw error
        }
      }
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await worker.run() }
      try await JobQueue(store: store.inner).enqueue(Work())
      // The second begins while the first one's heartbeat still waits.
      var stops = stops.makeAsyncIterator()
      for _ in 1...2 { await stops.next() }
      answer.finish()
      worker.drain(grace: .zero)
      try await group.waitForAll()
    }
  }

  @Test("what was settled isn't settled again because the look that follows failed")
  func failingLook() async throws {
    let hasFailed = Atomic(false)
    let (looks, look) = AsyncStream<Void>.makeStream()
    let store = WrappedStore(beforeObserve: { settled in
      guard settled > 0 else { return }
      if !hasFailed.exchange(true, ordering: .relaxed) { throw StorageError(.inputOutput, "no answer") }
      look.yield()
    })
    let worker = JobWorker(store: store) { $0.handle(Work.self) { _, _ in } }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await worker.run() }
      try await JobQueue(store: store.inner).enqueue(Work())
      for await _ in looks { break }
      worker.drain()
      try await group.waitForAll()
    }
    #expect(store.settled.count == 1)
  }

  @Test("the leases of a worker that held very many are taken back as fast as the store does it")
  func massRecovery() async throws {
    let clock = ManualStoreClock()
    let calls = WatchedState((reaps: 0, claims: 0))
    let store = WrappedStore(
      beforeClaim: { calls.withLock { $0.claims += 1 } },
      beforeReap: { calls.withLock { $0.reaps += 1 } },
      clock: clock.clock
    )
    _ = try await store.enqueue((0..<1000).map { _ in NewJob(name: "x", payload: []) })
    #expect(try await store.inner.claim(ClaimRequest(maximum: 1000)).count == 1000)
    clock.advance(by: .seconds(3600))
    // It finds nothing on its own queue, so its rounds are for taking back alone.
    let worker = JobWorker(store: store, options: .init(queues: ["other"])) { handlers in
      handlers.handle(Work.self) { _, _ in }
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await worker.run() }
      // The eleventh finds none.
      await calls.wait { $0.reaps == 11 }
      // A late hint may give a round more. At a hundred a second there would be hundreds of them.
      #expect(calls.withLock { $0.claims } < 20)
      #expect(try await store.inner.observe(.init()).running == 0)
      worker.drain()
      try await group.waitForAll()
    }
  }

  @Test("a job that comes between a worker's first look and its wait is not missed")
  func subscription() async throws {
    // Whether the worker hears of new jobs when it looks for the first time, and all times after.
    let (looks, look) = AsyncStream<Int>.makeStream()
    let subscriptions = Mutex(0)
    let store = WrappedStore(
      beforeClaim: { look.yield(subscriptions.withLock { $0 }) },
      noteSubscription: { subscriptions.withLock { $0 += 1 } }
    )
    let worker = JobWorker(store: store) { $0.handle(Work.self) { _, _ in } }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await worker.run() }
      var first = looks.makeAsyncIterator()
      #expect(await first.next() == 1)
      worker.drain()
      try await group.waitForAll()
    }
  }

  @Test("a lease that comes when it is over is given back, and counts neither as a run nor against its job")
  func lateAnswer() async throws {
    let isFirst = Atomic(true)
    let store = WrappedStore(afterClaim: { leases in
      guard !leases.isEmpty, isFirst.exchange(false, ordering: .relaxed) else { return }
      // The worker counts its leases by the clock of the machine.
      let end = ContinuousClock.now + .milliseconds(650)
      try await Task.sleep(until: end, clock: .continuous)
    })
    let worker = JobWorker(store: store, options: .init(lease: .milliseconds(600))) { handlers in
      handlers.handle(Work.self) { _, context in #expect(context.fence > 1) }
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await worker.run() }
      let handle = try await JobQueue(store: store.inner).enqueue(Work(), options: JobOptions(crashLimit: 1))
      _ = try await handle.value
      #expect(try await handle.snapshot?.crashCount == 0)
      worker.drain()
      try await group.waitForAll()
    }
  }

  @Test("leases that can't be taken back keep no job from running")
  func failingReap() async throws {
    let store = WrappedStore(beforeReap: { throw StorageError(.corrupt, "scripted") })
    let worker = JobWorker(store: store) { $0.handle(Work.self) { _, _ in } }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await worker.run() }
      let handles = try await JobQueue(store: store.inner).enqueue([Work(), Work()])
      for handle in handles { _ = try await handle.value }
      worker.drain()
      try await group.waitForAll()
    }
  }

  @Test(
    "a worker whose store was closed, takes no writes any more, or was migrated, ends with that error",
    arguments: [StorageError.Code.closed, .syncFailed, .futureFormat]
  )
  func finalFailure(code: StorageError.Code) async throws {
    let isBroken = Atomic(false)
    let fail: @Sendable () async throws -> Void = {
      if isBroken.load(ordering: .relaxed) { throw StorageError(code, "scripted") }
    }
    let store = WrappedStore(
      beforeExtend: fail,
      beforeClaim: fail,
      beforeSettle: fail,
      beforeReap: fail
    )
    let (starts, start) = AsyncStream<Void>.makeStream()
    let worker = JobWorker(store: store) { handlers in
      handlers.handle(Work.self) { _, _ in
        start.yield()
        try await waitForCancellation()
      }
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await worker.run() }
      try await JobQueue(store: store.inner).enqueue(Work())
      for await _ in starts { break }
      isBroken.store(true, ordering: .relaxed)
      // Something to look for.
      try await JobQueue(store: store.inner).enqueue(Work())
      do {
        try await group.waitForAll()
        Issue.record("the worker ended as if it had been drained")
      } catch let error as StorageError { #expect(error.code == code) }
    }
    // What ran comes again when its lease ends.
    #expect(try await store.inner.observe(.init()).running == 1)
  }

  @Test("a worker over a database that is closed under it ends with an error")
  func closedDatabase() async throws {
    let store = try await SQLiteJobStore.open(.inMemory)
    let worker = JobWorker(store: store) { $0.handle(Work.self) { _, _ in } }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await worker.run() }
      _ = try await JobQueue(store: store).enqueue(Work()).value
      await store.close()
      do {
        try await group.waitForAll()
        Issue.record("the worker ended as if it had been drained")
      } catch let error as StorageError { #expect(error.code == .closed) }
    }
  }

  @Test("a report that a heartbeat could not deliver doesn't hide a newer one")
  func restoredReport() {
    let running = RunningJobs()
    let reference = JobLease.Reference(id: RawJobID(), fence: 1)
    running.add(reference, deadline: .now)
    running.report(reference, JobUpdate(fraction: 0.2, message: "a"))
    let lost = running.beat().compactMap(\.update)
    #expect(lost.map(\.fraction) == [0.2])
    running.report(reference, JobUpdate(fraction: 0.7))
    for update in lost { running.restore(reference, update) }
    let next = running.beat().first?.update
    #expect(next?.fraction == 0.7 && next?.message == "a")
    for update in lost { running.restore(reference, update) }
    #expect(running.beat().first?.update?.fraction == 0.2)
  }

  @Test("whoever waits for a job hears that its store was closed")
  func closing() async throws {
    let directory = try TemporaryDirectory()
    let store = try await SQLiteJobStore.open(.file(directory.file("jobs.db")), isShared: false)
    let handle = try await JobQueue(store: store).enqueue(Work())
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { _ = try await handle.value }
      while store.hub.receiverCount == 0 { await Task.yield() }
      // The waiter looks once, and then waits for a hint: by now it does.
      for _ in 0..<50 { _ = try await store.observe(.init(jobs: [handle.id.raw])) }
      await store.close()
      do {
        try await group.waitForAll()
        Issue.record("the waiting ended as if the job had")
      } catch let error as StorageError {
        #expect(error.code == .closed)
      }
    }
  }
}
