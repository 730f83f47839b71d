// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
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
    guard try await index.contained(documents.map(\.id)).count < documents.count else { return }
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
    let missing = documents.filter { !present.contains($0.id) }
    for lower in stride(from: 0, to: missing.count, by: Self.batchSize) {
      let batch = missing[lower..<min(lower + Self.batchSize, missing.count)].map(\.id)
      // The key keeps a batch that is still queued from an interrupted run from being queued twice.
      try await queue.enqueue(
        IndexBatch(documents: batch),
        options: JobOptions(
          maximumAttempts: 3,
          uniqueKey: "index-\(batch[0])-\(batch[batch.count - 1])-\(batch.count)"
        )
      )
    }
    let byID = Dictionary(documents.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    let bar = ProgressBar("indexing \(documents.count) abstracts", total: documents.count)
    let done = Mutex(present.count)
    bar.show(present.count)
    let worker = JobWorker(store: store, options: .init(concurrency: 2)) { handlers in
      handlers.handle(IndexBatch.self) { job, _ in
        let present = try await index.contained(job.documents)
        let batch = job.documents.filter { !present.contains($0) }.compactMap { byID[$0] }
        _ = try await index.add(batch)
        done.withLock { count in
          count += batch.count
          bar.show(count)
        }
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
    let missed = documents.count - (try await index.contained(documents.map(\.id))).count
    guard missed == 0 else {
      let stats = try await store.observe(.init())
      throw JobError(
        .notFound,
        "\(missed) abstracts could not be indexed; \(stats.dead) batches failed for good. "
          + "Remove the demo's data folder and start again."
      )
    }
    try await index.commit()
    bar.finish("\(index.count) in the index")
  }
}
