// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import MetricsTestKit
import TenfoldCore
import TenfoldStorage
import TenfoldTesting
import Testing

@testable import TenfoldJobs

private struct Echo: DurableJob {
  typealias Output = Int
  static let name: JobName = "echo.v1"
  var number: Int
  func run(_ context: JobContext) async throws -> Int {
    if context.attempt == 1, number == 3 { throw JobDisposition.retry(after: .zero, "scripted") }
    return number
  }
}

/// Ends in its own transaction, and may fail in it or after it, or lose its lease before.
private struct Own: DurableJob {
  enum Failing: String, Codable { case never, inside, after }
  static let name: JobName = "own.v1"
  var fails = Failing.never
  var isLost = false
}

private struct Failure: Error {}

@Suite("The metrics of queues and workers", .timeLimit(.minutes(5)))
struct JobMetricsTests {
  @Test("count what is handed in, begins, ends and expires, and time runs", arguments: [false, true])
  func recorded(onDisk: Bool) async throws {
    let (metrics, clock) = (TestMetrics(), ManualStoreClock())
    let store: any JobStore =
      onDisk
      ? try await SQLiteJobStore.open(.inMemory, clock: clock.clock) : InMemoryJobStore(clock: clock.clock)
    let queue = JobQueue(store: store, metrics: metrics)
    var handles = try await queue.enqueue((0..<5).map { Echo(number: $0) })
    for _ in 0..<3 {
      handles.append(try await queue.enqueue(Echo(number: 9), options: JobOptions(uniqueKey: "k")))
    }
    // A worker that is lost with two of them.
    #expect(try await store.claim(ClaimRequest(maximum: 2)).count == 2)
    clock.advance(by: .seconds(60))
    let worker = JobWorker(
      store: store,
      options: .init(retry: RetryPolicy(base: .zero)),
      thread: HeartbeatThread(),
      metrics: metrics
    ) { $0.handle(Echo.self) }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await worker.run() }
      for (handle, number) in zip(handles, [0, 1, 2, 3, 4, 9, 9, 9]) {
        let value = try await handle.value
        #expect(value == number)
      }
      worker.drain()
      try await group.waitForAll()
    }
    func total(_ name: String, _ outcome: String? = nil) throws -> Int64 {
      try metrics.expectCounter("tenfold.jobs." + name, outcome.map { [("outcome", $0)] } ?? []).totalValue
    }
    #expect(try total("enqueued", "accepted") == 6 && total("enqueued", "duplicate") == 2)
    #expect(try total("started") == 7 && total("expired") == 2)
    #expect(try total("settled", "succeeded") == 6 && total("settled", "retried") == 1)
    #expect(try metrics.expectTimer("tenfold.jobs.run_time").values.count == 7)
    // The two that were lost could start again as their leases were found to be over; four had waited all the time.
    let waits = try metrics.expectTimer("tenfold.jobs.wait_time").values
    #expect(waits.count == 7 && waits.filter { $0 == 60_000_000_000 }.count == 4, "\(waits)")
  }

  @Test("count a run that ends in its own transaction as a success, and one that lost its lease as fenced")
  func ownEnds() async throws {
    let (metrics, clock) = (TestMetrics(), ManualStoreClock())
    let store = try await SQLiteJobStore.open(.inMemory, clock: clock.clock)
    let begun = AsyncStream<Void>.makeStream()
    let worker = JobWorker(
      store: store,
      options: .init(lease: .milliseconds(300), retry: RetryPolicy(base: .zero)),
      thread: HeartbeatThread(),
      metrics: metrics
    ) { handlers in
      handlers.handle(Own.self) { job, context in
        if job.isLost, context.fence == 1 {
          begun.continuation.yield()
          return try await waitForCancellation()
        }
        try await store.database.write { tx in
          try context.finish(in: tx)
          // The transaction is undone, so this is a failure.
          if job.fails == .inside, context.attempt == 1 { throw Failure() }
        }
        if job.fails == .after { throw Failure() }
      }
    }
    let queue = JobQueue(store: store)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await worker.run() }
      for fails in [Own.Failing.never, .inside, .after] {
        _ = try await queue.enqueue(Own(fails: fails)).value
      }
      let lost = try await queue.enqueue(Own(isLost: true))
      for await _ in begun.stream { break }
      clock.advance(by: .seconds(1))
      _ = try await store.reap(limit: 1)
      _ = try await lost.value
      worker.drain()
      try await group.waitForAll()
    }
    func total(_ outcome: String) -> Int64? {
      let counter = try? metrics.expectCounter("tenfold.jobs.settled", [("outcome", outcome)])
      return counter?.totalValue
    }
    #expect(total("succeeded") == 4 && total("retried") == 1 && total("fenced") == 1)
  }
}
