// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import TenfoldTesting
import Testing

@testable import TenfoldJobs

@Suite("What a run's cancellation handler does harms nobody else", .timeLimit(.minutes(5)))
struct CancellationHandlerTests {
  private struct Work: DurableJob {
    static let name: JobName = "work.v1"
    var waits = false
  }

  private func withWorker(
    _ store: any JobStore,
    onCancel: @escaping @Sendable (JobContext) -> Void,
    _ body: (_ queue: JobQueue, _ begun: AsyncStream<Void>) async throws -> Void
  ) async throws {
    let (begun, begin) = AsyncStream<Void>.makeStream()
    let worker = JobWorker(store: store, options: .init(lease: .milliseconds(300))) { handlers in
      handlers.handle(Work.self) { job, context in
        guard job.waits else { return }
        begin.yield()
        try await withTaskCancellationHandler {
          try await waitForCancellation()
        } onCancel: {
          onCancel(context)
        }
      }
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await worker.run() }
      try await body(JobQueue(store: store), begun)
      worker.drain()
      try await group.waitForAll()
    }
  }

  @Test("it may report, and ask after its lease")
  func reentrant() async throws {
    let store = InMemoryJobStore()
    try await withWorker(
      store,
      onCancel: { context in
        context.report(message: "going")
        try? context.checkLease()
      }
    ) { queue, begun in
      let handle = try await queue.enqueue(Work(waits: true))
      for await _ in begun { break }
      try await handle.cancel()
      await #expect { _ = try await handle.value } throws: { ($0 as? JobError)?.code == .cancelled }
      _ = try await queue.enqueue(Work()).value
    }
  }

  @Test("while it takes its time leases are renewed, and other jobs run")
  func slow() async throws {
    let beats = WatchedState(0)
    let store = WrappedStore(beforeExtend: { beats.withLock { $0 += 1 } })
    let (began, goOn) = (WatchedState(false), DispatchSemaphore(value: 0))
    try await withWorker(
      store,
      onCancel: { _ in
        began.withLock { $0 = true }
        goOn.wait()
      }
    ) { queue, begun in
      let handle = try await queue.enqueue(Work(waits: true))
      for await _ in begun { break }
      try await handle.cancel()
      await began.wait { $0 }
      let now = beats.withLock { $0 }
      await beats.wait { $0 >= now + 3 }
      _ = try await queue.enqueue(Work()).value
      goOn.signal()
      await #expect { _ = try await handle.value } throws: { ($0 as? JobError)?.code == .cancelled }
    }
  }
}
