// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import TenfoldCore
import TenfoldJobs
import TenfoldStorage

extension JobsBenchmark {
  struct Noop: DurableJob {
    static let name: JobName = "noop.v1"
    var number: Int
    func run(_ context: JobContext) async throws -> NoOutput { NoOutput() }
  }

  // MARK: - Memory

  func memory(_ batch: Int, _ report: inout BenchmarkReport) async throws {
    let sample = try await BenchmarkSample.take(reps) {
      try await measure(.lifecycle, InMemoryJobStore(), batch, 200_000 / batch * batch)
    }
    report.add(
      "memory-lifecycle-\(batch)",
      "rate",
      "jobs/s",
      sample,
      parameters: ["batch": "\(batch)"],
      target: .atLeast(150_000)
    )
  }

  /// Typed jobs through a queue and a worker: encoded, handed out, decoded, run, settled.
  func worker(_ report: inout BenchmarkReport) async throws {
    let inMemory = try await BenchmarkSample.take(reps) { try await self.work(InMemoryJobStore(), 50_000) }
    report.add("worker-memory", "rate", "jobs/s", inMemory)
    let onDisk = try await BenchmarkSample.take(reps) {
      let path = folder.file()
      defer { folder.remove(path) }
      let store = try await SQLiteJobStore.open(.file(path))
      let rate = try await work(store, 20_000)
      await store.close()
      return rate
    }
    report.add("worker-full", "rate", "jobs/s", onDisk)
  }

  private func work(_ store: any JobStore, _ count: Int) async throws -> Double {
    let left = Atomic(count)
    let (ended, end) = AsyncStream<Void>.makeStream()
    let worker = JobWorker(store: store, options: .init(concurrency: 256, prefetch: 512, pollInterval: nil)) {
      handlers in
      handlers.handle(Noop.self) { _, _ in
        if left.subtract(1, ordering: .relaxed).newValue == 0 { end.yield() }
      }
    }
    let queue = JobQueue(store: store)
    let start = ContinuousClock.now
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await worker.run() }
      for begin in stride(from: 0, to: count, by: 500) {
        try await queue.enqueue((begin..<min(count, begin + 500)).map { Noop(number: $0) })
      }
      for await _ in ended { break }
      worker.drain()
      try await group.waitForAll()
    }
    return Double(count) / ((ContinuousClock.now - start) / .seconds(1))
  }
}
