// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Tenfold

/// Fills the search index through the job queue, so that an interrupted run goes on where it stopped.
struct Indexing: Sendable {
  static let batchSize = 32
  let index: SearchIndex
  let documents: [IndexedDocument]
  let databasePath: String

  /// Indexes what is missing.
  ///
  /// - Throws: What the queue or the index throws; `CancellationError` when interrupted, with every finished batch kept.
  func run() async throws {
    guard index.count < documents.count else { return }
    let store = try await SQLiteJobStore.open(.file(databasePath))
    do {
      try await run(store)
    } catch {
      await store.close()
      throw error
    }
    await store.close()
  }

  private func run(_ store: SQLiteJobStore) async throws {
    let queue = JobQueue(store: store)
    let present = try await index.contained(documents.map(\.id))
    for lower in stride(from: 0, to: documents.count, by: Self.batchSize) {
      let upper = min(lower + Self.batchSize, documents.count)
      guard documents[lower..<upper].contains(where: { !present.contains($0.id) }) else { continue }
      // The key keeps a batch that is still queued from an interrupted run from being queued twice.
      try await queue.enqueue(
        IndexBatch(lower: lower, upper: upper),
        options: JobOptions(maximumAttempts: 3, uniqueKey: "index-\(lower)")
      )
    }
    let bar = ProgressBar("indexing \(documents.count) abstracts", total: documents.count)
    bar.show(index.count)
    let worker = JobWorker(store: store, options: .init(concurrency: 2)) { handlers in
      handlers.handle(IndexBatch.self) { job, _ in
        let batch = documents[job.lower..<min(job.upper, documents.count)]
        let present = try await index.contained(batch.map(\.id))
        _ = try await index.add(batch.filter { !present.contains($0.id) })
        bar.show(index.count)
      }
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await worker.run() }
      // The queue is empty when nothing waits and nothing runs; dead letters are looked at below.
      while true {
        let stats = try await store.observe(.init())
        if stats.ready + stats.running == 0 { break }
        try await Task.sleep(for: .milliseconds(50))
      }
      worker.drain()
      try await group.waitForAll()
    }
    guard index.count >= documents.count else {
      let stats = try await store.observe(.init())
      throw JobError(
        .notFound,
        "\(documents.count - index.count) abstracts could not be indexed; \(stats.dead) batches failed for good. "
          + "Remove the demo's data folder and start again."
      )
    }
    try await index.commit()
    bar.finish("\(index.count) in the index")
  }
}
