// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldJobs
import TenfoldRetrieval

/// Adds a document to an index of words, as a job.
struct AddDocument: DurableJob {
  static let name: JobName = "add-document.v1"
  var number: UInt64
  var text: String
}

@main
struct Host {
  static func main() async throws {
    let index = InvertedIndex()
    let store = InMemoryJobStore()
    let worker = JobWorker(store: store) { handlers in
      handlers.handle(AddDocument.self) { job, _ in try index.add([(job.number, job.text)]) }
    }
    let handles = try await JobQueue(store: store).enqueue([
      AddDocument(number: 1, text: "Aspirin lowers fever."),
      AddDocument(number: 2, text: "Statins lower cholesterol."),
    ])
    try await withThrowingTaskGroup { group in
      group.addTask { try await worker.run() }
      for handle in handles { _ = try await handle.value }
      worker.drain()
      try await group.waitForAll()
    }
    let found = try await index.search("What lowers a fever?", limit: 1)
    print("host: \(index.count) documents, best match \(found.matches.first?.number ?? 0)")
  }
}
