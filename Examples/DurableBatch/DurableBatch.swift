// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldJobs
import TenfoldStorage

/// A batch of jobs that survives being killed: `ExampleDurableBatch FILE [BLOCKS]`.
@main
struct DurableBatch {
  static func main() async throws {
    let arguments = CommandLine.arguments
    guard arguments.count > 1, let blocks = Int(arguments.count > 2 ? arguments[2] : "200"), blocks > 0 else {
      print("usage: ExampleDurableBatch FILE [BLOCKS]")
      return
    }
    let database = try await SQLiteDatabase.open(
      .file(arguments[1]),
      schemas: [SQLiteJobStore.schema, BatchTables.schema]
    )
    let store = try await SQLiteJobStore.open(in: database)
    let handles = try await submit(blocks, to: JobQueue(store: store))

    // After a kill, the jobs that were running come back when their leases have expired: here within a second.
    let worker = JobWorker(store: store, options: .init(concurrency: 2, lease: .seconds(1))) { handlers in
      handlers.handle(CountPrimes.self) { job, context in
        // `fence` grows with each run, so a second run of the same job shows as a second line.
        _ = try await database.write { tx in
          try tx.execute("INSERT INTO begun(block, fence) VALUES(?1, ?2)", job.block, context.fence)
        }
        let count = job.count
        // A job may run twice, so its effect must be harmless the second time.
        try await database.write { tx in
          try tx.execute(
            "INSERT INTO result(block, primes) VALUES(?1, ?2) ON CONFLICT DO NOTHING",
            job.block,
            count
          )
          let done = try tx.first("SELECT count(*) FROM result") { row in try row.int(0) } ?? 0
          print("\(done) of \(blocks) blocks done")
          fflush(nil)  // a reader of the output sees the line now, not when a buffer is full
        }
      }
    }
    try await withThrowingTaskGroup { group in
      group.addTask { try await worker.run() }
      for handle in handles { _ = try await handle.value }
      worker.drain()
      try await group.waitForAll()
    }
    try await report(database, blocks: blocks)
    await store.close()
  }

  /// Hands the blocks in; those that an earlier run of this program handed in are not taken again.
  static func submit(_ blocks: Int, to queue: JobQueue) async throws -> [JobHandle<CountPrimes>] {
    try await withThrowingTaskGroup { group in
      for block in 0..<blocks {
        group.addTask {
          // On disk when this returns; the calls that wait at the same time share one commit.
          try await queue.enqueue(
            CountPrimes(block: block),
            options: JobOptions(
              uniqueKey: "block \(block)",
              uniqueRetention: .seconds(86_400),
              resultRetention: .seconds(86_400)
            )
          )
        }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
  }

  /// Says what was done, and fails if a block is missing.
  static func report(_ database: SQLiteDatabase, blocks: Int) async throws {
    let (done, primes, begun) = try await database.read { tx in
      let result =
        try tx.first("SELECT count(*), coalesce(sum(primes), 0) FROM result") { row in
          (try row.int(0), try row.int(1))
        } ?? (0, 0)
      let begun = try tx.first("SELECT count(*) FROM begun") { row in try row.int(0) } ?? 0
      return (result.0, result.1, begun)
    }
    print("all \(done) of \(blocks) blocks done in \(begun) runs (\(begun - done) began again after a kill)")
    print("\(primes) primes below \(blocks * CountPrimes.blockSize)")
    guard done == blocks else { throw JobError(.notFound, "\(blocks - done) blocks have no result") }
  }
}
