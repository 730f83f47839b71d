// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldJobs
import TenfoldStorage

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// What workers of this process run; `key` says which of them share a limit.
struct CrashJob: DurableJob {
  static let name: JobName = "crash"
  var key: String
}

/// The ways in which a worker of this process works.
enum Working {
  /// Runs jobs for ever, with leases that outlast the test.
  static func work(_ store: SQLiteJobStore) async throws {
    let options = JobWorker.Options(
      concurrency: 7,
      lease: .seconds(3600),
      pollInterval: .milliseconds(1)
    )
    try await JobWorker(store: SpeakingStore(store: store), options: options) { handlers in
      handlers.handle(CrashJob.self) { _, _ in }
    }.run()
  }

  /// Runs one job until its lease is lost, and tries to save then.
  static func stay(_ store: SQLiteJobStore) async throws {
    let options = JobWorker.Options(concurrency: 1, lease: .seconds(2))
    try await JobWorker(store: store, options: options) { handlers in
      handlers.handle(CrashJob.self) { _, context in
        let (waiting, stopped) = AsyncStream<Void>.makeStream()
        say("started \(context.fence)")
        await withTaskCancellationHandler {
          for await _ in waiting {}
        } onCancel: {
          stopped.finish()
        }
        do {
          try await context.saveCheckpoint(1)
          say("saved")
        } catch let error as JobError { say("refused: \(error.code)") }
      }
    }.run()
  }

  /// Runs jobs, of which one takes the process down.
  static func die(_ store: SQLiteJobStore) async throws {
    let options = JobWorker.Options(concurrency: 1, lease: .seconds(3600))
    try await JobWorker(store: store, options: options) { handlers in
      handlers.handle(CrashJob.self) { job, _ in
        guard job.key == "poison" else { return }
        kill(getpid(), SIGKILL)
      }
    }.run()
  }

  /// Runs jobs side by side, of which one takes the process down; the first two times while the three others run.
  static func crowd(_ store: SQLiteJobStore) async throws {
    let (others, begin) = AsyncStream<Void>.makeStream()
    let options = JobWorker.Options(concurrency: 4, lease: .seconds(3600))
    try await JobWorker(store: store, options: options) { handlers in
      handlers.handle(CrashJob.self) { job, context in
        let isEarly = context.fence <= 2
        guard job.key == "poison" else {
          begin.yield()
          // Later it only takes long enough to be caught.
          return try await Task.sleep(for: isEarly ? .seconds(3600) : .milliseconds(200))
        }
        if isEarly {
          var others = others.makeAsyncIterator()
          for _ in 0..<3 { await others.next() }
        }
        kill(getpid(), SIGKILL)
      }
    }.run()
  }

  /// Runs jobs beside another process, each effect in the transaction that ends its job; ends when told to.
  ///
  /// What runs now is noted in the file after the job began and taken out as it ends, so more rows of a key than its
  /// limit mean that more ran.
  static func share(_ store: SQLiteJobStore) async throws {
    let options = JobWorker.Options(concurrency: 5, pollInterval: .milliseconds(1))
    let worker = JobWorker(store: store, options: options) { handlers in
      handlers.handle(CrashJob.self) { job, context in
        let (id, fence) = (context.id.bytes, context.fence)
        let running = try await store.database.write { tx in
          try tx.execute("INSERT INTO running(id, key) VALUES(?1, ?2)", id, job.key)
          return try tx.first("SELECT count(*) FROM running WHERE key = ?1", job.key) { try $0.int(0) } ?? 0
        }
        if job.key != "-", running > 2 { say("\(running) jobs of key \(job.key) ran at once") }
        try await store.database.write { tx in
          try tx.execute("DELETE FROM running WHERE id = ?1", id)
          try tx.execute("INSERT INTO effect(id, fence) VALUES(?1, ?2)", id, fence)
          try context.finish(in: tx)
        }
        say("done \(context.id)")
      }
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await worker.run() }
      await ended()
      worker.drain()
      try await group.waitForAll()
    }
  }

  /// Waits until standard input ends, on a thread of its own.
  private static func ended() async {
    await withCheckedContinuation { continuation in
      do {
        try DedicatedThread.start(name: "input") {
          while readLine() != nil {}
          continuation.resume()
        }
      } catch { continuation.resume() }
    }
  }
}
