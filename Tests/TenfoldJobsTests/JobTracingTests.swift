// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import InMemoryTracing
import Synchronization
import TenfoldJobs
import TenfoldStorage
import Testing
import Tracing

private struct Note: DurableJob {
  static let name: JobName = "traced.v1"
  var text = ""
}

private struct Failure: Error {}

@Suite("Traces reach from who enqueues to who runs", .timeLimit(.minutes(10)))
struct JobTracingTests {
  private let tracer = InMemoryTracer()

  private func store(onDisk: Bool) async throws -> any JobStore {
    onDisk ? try await SQLiteJobStore.open(.inMemory) : InMemoryJobStore()
  }

  /// Runs what `body` enqueues, until it is done.
  private func withWorker(
    _ store: any JobStore,
    _ handler: @escaping @Sendable (Note, JobContext) async throws -> Void,
    _ body: (JobQueue) async throws -> JobHandle<Note>
  ) async throws {
    let options = JobWorker.Options(retry: RetryPolicy(base: .milliseconds(1)), tracer: tracer)
    let worker = JobWorker(store: store, options: options) { $0.handle(Note.self, with: handler) }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await worker.run() }
      _ = try await body(JobQueue(store: store, tracer: tracer)).value
      worker.drain()
      try await group.waitForAll()
    }
  }

  @Test("each run is a trace of its own that links to the one that enqueued it", arguments: [false, true])
  func linked(onDisk: Bool) async throws {
    let seen = Mutex<[String?]>([])
    let origin = tracer.startSpan("request", context: .topLevel)
    try await withWorker(
      store(onDisk: onDisk),
      { _, context in
        #expect(!context.trace.isEmpty)
        let runs = seen.withLock { seen in
          seen.append(ServiceContext.current?.inMemorySpanContext?.spanID)
          return seen.count
        }
        if runs == 1 { throw Failure() }
      },
      { queue in try await ServiceContext.withValue(origin.context) { try await queue.enqueue(Note()) } }
    )
    origin.end()
    let runs = tracer.finishedSpans.filter { $0.operationName == "tenfold.job" }
    #expect(runs.count == 2)
    #expect(runs.map { Optional($0.spanID) } == seen.withLock { $0 })
    #expect(runs.map(\.errors.count) == [1, 0])
    for (number, run) in runs.enumerated() {
      #expect(run.kind == .consumer && run.parentSpanID == nil && run.traceID != origin.traceID)
      let link = run.links.first?.context.inMemorySpanContext
      #expect(run.links.count == 1 && link?.traceID == origin.traceID && link?.spanID == origin.spanID)
      #expect(run.attributes["tenfold.job"]?.toSpanAttribute() == "traced.v1")
      #expect(run.attributes["tenfold.job.attempt"]?.toSpanAttribute() == .int64(Int64(number + 1)))
    }
  }

  @Test("a run that snoozes, or leaves because its worker has to go, has not failed")
  func leaving() async throws {
    let store = try await store(onDisk: false)
    let runs = Mutex(0)
    try await withWorker(
      store,
      { _, _ in
        if runs.withLock({ runs in
          runs += 1
          return runs == 1
        }) {
          throw JobDisposition.snooze(for: .nanoseconds(1))
        }
      },
      { queue in try await queue.enqueue(Note()) }
    )
    let worker = JobWorker(store: store, options: .init(tracer: tracer)) {
      $0.handle(Note.self) { _, _ in
        runs.withLock { $0 += 1 }
        try await Task.sleep(for: .seconds(3600))
      }
    }
    _ = try await JobQueue(store: store, tracer: tracer).enqueue(Note())
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await worker.run() }
      while runs.withLock({ $0 }) < 3 { await Task.yield() }
      worker.drain(grace: .zero)
      try await group.waitForAll()
    }
    let spans = tracer.finishedSpans.filter { $0.operationName == "tenfold.job" }
    #expect(spans.count == 3 && spans.allSatisfy { $0.errors.isEmpty && $0.status == nil })
  }

  @Test("a job that is enqueued outside a trace carries none")
  func outside() async throws {
    try await withWorker(
      store(onDisk: true),
      { _, context in #expect(context.trace.isEmpty) },
      { queue in try await queue.enqueue(Note()) }
    )
    let runs = tracer.finishedSpans
    #expect(runs.count == 1 && runs.first?.links.isEmpty == true)
  }

  @Test("a trace that is given is carried as it is")
  func given() async throws {
    let origin = tracer.startSpan("request", context: .topLevel)
    try await withWorker(
      store(onDisk: true),
      { _, context in #expect(context.trace == ["traceparent": "00-1-2-01"]) },
      { queue in
        try await ServiceContext.withValue(origin.context) {
          try await queue.enqueue(Note(), options: JobOptions(trace: ["traceparent": "00-1-2-01"]))
        }
      }
    )
    origin.end()
  }
}
