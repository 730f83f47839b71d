// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import TenfoldStorage
import TenfoldTesting
import Testing

@testable import TenfoldJobs

@Suite("A worker that is told to go", .timeLimit(.minutes(5)))
struct WorkerEndTests {
  private struct Work: DurableJob {
    static let name: JobName = "work.v1"
    var text = ""
  }

  /// Which runs have begun, and which may end.
  private final class Gates: Sendable {
    private let begun = WatchedState<[String]>([])
    private let open = WatchedState<Set<String>>([])

    var runs: [String] { begun.withLock { $0 } }

    func pass(_ text: String) async {
      begun.withLock { $0.append(text) }
      await open.wait { $0.contains(text) }
    }

    func waitForRuns(_ count: Int) async { await begun.wait { $0.count >= count } }

    func open(_ text: String) { open.withLock { _ = $0.insert(text) } }
  }

  @Test(
    "settles what ends and gives back what had not begun, however long another run takes",
    arguments: [false, true]
  )
  func longRun(onDisk: Bool) async throws {
    let store: any JobStore = onDisk ? try await SQLiteJobStore.open(.inMemory) : InMemoryJobStore()
    let gates = Gates()
    let worker = JobWorker(store: store, options: .init(concurrency: 2, prefetch: 1)) { handlers in
      handlers.handle(Work.self) { job, _ in await gates.pass(job.text) }
    }
    let handles = try await JobQueue(store: store).enqueue(["long", "short", "third"].map { Work(text: $0) })
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await worker.run() }
      await gates.waitForRuns(2)
      worker.drain()
      gates.open("short")
      _ = try await handles[1].value
      var leases: [JobLease] = []
      while leases.isEmpty {
        leases = try await store.claim(ClaimRequest(maximum: 1))
        await Task.yield()
      }
      #expect(leases.map(\.reference.id) == [handles[2].id.raw] && leases[0].attempt == 1)
      #expect(try await handles[0].snapshot?.state == .running)
      gates.open("long")
      try await group.waitForAll()
    }
    #expect(try await handles[0].snapshot?.state == .done)
    #expect(Set(gates.runs) == ["long", "short"])
  }

  @Test("settles and renews also over a store that refuses the calls of a cancelled task")
  func cancelledCalls() async throws {
    let store = WrappedStore(
      beforeExtend: { try Task.checkCancellation() },
      beforeSettle: { try Task.checkCancellation() }
    )
    let gates = Gates()
    let worker = JobWorker(store: store) { handlers in
      handlers.handle(Work.self) { _, context in
        await gates.pass("")
        try await context.saveCheckpoint(7)
        try Task.checkCancellation()
      }
    }
    let handle = try await JobQueue(store: store.inner).enqueue(Work())
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await worker.run() }
      await gates.waitForRuns(1)
      group.cancelAll()
      try await group.waitForAll()
    }
    let snapshot = try #require(try await handle.snapshot)
    #expect(snapshot.state == .ready && snapshot.attempts == 0 && snapshot.errors.isEmpty)
    let lease = try #require(try await store.inner.claim(ClaimRequest(maximum: 1)).first)
    #expect(lease.checkpoint == Array("7".utf8))
  }

  @Test("begins nothing of what a claim that was under way brings", arguments: [false, true])
  func claimUnderWay(isCancelled: Bool) async throws {
    let gates = Gates()
    let store = WrappedStore(beforeClaim: { await gates.pass("store") })
    let runs = Atomic(0)
    let worker = JobWorker(store: store, options: .init(prefetch: 2)) { handlers in
      handlers.handle(Work.self) { _, _ in runs.add(1, ordering: .relaxed) }
    }
    try await JobQueue(store: store.inner).enqueue((0..<6).map { Work(text: "\($0)") })
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await worker.run() }
      await gates.waitForRuns(1)
      if isCancelled { group.cancelAll() } else { worker.drain(grace: .zero) }
      gates.open("store")
      try await group.waitForAll()
    }
    let stats = try await store.inner.observe(.init())
    #expect(runs.load(ordering: .relaxed) == 0 && stats.ready == 6 && stats.running == 0)
    #expect(try await store.inner.claim(ClaimRequest(maximum: 9)).allSatisfy { $0.attempt == 1 })
  }

  @Test("stops also a run whose lease comes after it was told to go")
  func lateLease() {
    let running = RunningJobs()
    let (known, late) = (
      JobLease.Reference(id: RawJobID(), fence: 1), JobLease.Reference(id: RawJobID(), fence: 1)
    )
    running.add(known, deadline: .now + .seconds(9))
    running.preempt()
    running.add(late, deadline: .now + .seconds(9))
    #expect(running.stopReason(known) == .preempted && running.stopReason(late) == .preempted)
  }
}
