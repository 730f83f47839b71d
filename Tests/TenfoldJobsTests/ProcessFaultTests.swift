// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldStorage
import TenfoldTestSupport
import TenfoldTesting
import Testing

@testable import TenfoldJobs

/// What the processes of these tests run; the same as theirs.
private struct CrashJob: DurableJob {
  static let name: JobName = "crash"
  var key: String
}

@Suite("Workers that stop, die, share a file, or come from another build")
struct ProcessFaultTests {
  @Test(
    "a worker that is stopped past its lease is replaced, and when it goes on it hears of it and can't save"
  )
  func stoppedWorker() async throws {
    let directory = try TemporaryDirectory()
    let path = directory.file("jobs.db")
    let store = try await SQLiteJobStore.open(.file(path))
    let handle = try await JobQueue(store: store).enqueue(CrashJob(key: "-"))
    let stopped = try ChildProgram("JobsCrashHelper").start(["stay", path])
    // "ready", then "started".
    await stopped.reaches(lines: 2)
    stopped.send(signal: SIGSTOP)
    // This worker wakes when the other one's lease ends, for that reason alone.
    let worker = JobWorker(store: store, options: .init(pollInterval: nil)) { handlers in
      handlers.handle(CrashJob.self) { _, context in #expect(context.fence == 2) }
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await worker.run() }
      _ = try await handle.value
      worker.drain()
      try await group.waitForAll()
    }
    stopped.send(signal: SIGCONT)
    await stopped.reaches(lines: 3)
    stopped.send(signal: SIGKILL)
    #expect(await stopped.ended().lines == ["ready", "started 1", "refused: leaseLost"])
    let job = try #require(try await handle.snapshot)
    #expect(job.state == .done && job.fence == 2 && job.crashCount == 1)
    await store.close()
  }

  @Test("a job that takes its process down three times becomes a dead letter, and the others proceed")
  func poison() async throws {
    let directory = try TemporaryDirectory()
    let path = directory.file("jobs.db")
    let store = try await SQLiteJobStore.open(.file(path))
    let queue = JobQueue(store: store)
    let poison = try await queue.enqueue(CrashJob(key: "poison"))
    let others = try await queue.enqueue((0..<5).map { _ in CrashJob(key: "-") })
    let helper = try ChildProgram("JobsCrashHelper")
    for round in 1...3 {
      let ending = try await helper.start(["die", path]).ended()
      #expect(ending.wasKilled && ending.status == SIGKILL, "round \(round)")
      // As if its lease had run out, which need not be waited for.
      try await store.database.write { tx in try tx.execute("UPDATE job SET until = 1 WHERE state = 1") }
    }
    #expect(try await store.reap(limit: 10) == 1)
    let dead = try #require(try await poison.snapshot)
    #expect(dead.state == .dead && dead.crashCount == 3 && dead.errors.count == 3 && dead.attempts == 0)
    #expect(String(decoding: dead.payload, as: UTF8.self) == #"{"key":"poison"}"#)
    for other in others { #expect(try await other.snapshot?.state == .done) }
    #expect(try await store.claim(ClaimRequest(maximum: 10)).isEmpty)
    await store.close()
  }

  @Test("a job that takes its process down takes none of those that ran beside it to the dead letters")
  func poisonedCrowd() async throws {
    let directory = try TemporaryDirectory()
    let path = directory.file("jobs.db")
    let store = try await SQLiteJobStore.open(.file(path))
    let queue = JobQueue(store: store)
    let poison = try await queue.enqueue(CrashJob(key: "poison"))
    let others = try await queue.enqueue((0..<3).map { _ in CrashJob(key: "-") })
    let helper = try ChildProgram("JobsCrashHelper")
    for round in 1...3 {
      let ending = try await helper.start(["crowd", path]).ended()
      #expect(ending.wasKilled && ending.status == SIGKILL, "round \(round)")
      // As if its lease had run out, which need not be waited for.
      try await store.database.write { tx in try tx.execute("UPDATE job SET until = 1 WHERE state = 1") }
    }
    let last = try helper.start(["crowd", path])
    for other in others { _ = try await other.value }
    last.send(signal: SIGKILL)
    _ = await last.ended()
    let dead = try #require(try await poison.snapshot)
    #expect(dead.state == .dead && dead.crashCount == 3)
    // They were lost with it twice.
    for other in others { #expect(try await other.snapshot?.crashCount == 2) }
    await store.close()
  }

  @Test("two processes on one file do each job's effect once and keep the limits of keys together")
  func sharedFile() async throws {
    let directory = try TemporaryDirectory()
    let path = directory.file("jobs.db")
    let effects = SQLiteSchema(
      "effects",
      [
        .init(
          1,
          """
          CREATE TABLE effect(id BLOB NOT NULL, fence INTEGER NOT NULL) STRICT;
          CREATE TABLE running(id BLOB PRIMARY KEY, key TEXT NOT NULL) STRICT;
          """
        )
      ]
    )
    let database = try await SQLiteDatabase.open(.file(path), schemas: [SQLiteJobStore.schema, effects])
    let store = try await SQLiteJobStore.open(in: database)
    let queue = JobQueue(store: store)
    let helper = try ChildProgram("JobsCrashHelper")
    let inputs = [Pipe(), Pipe()]
    let workers = try inputs.map { try helper.start(["share", path], input: $0) }
    // Both say that they are ready; else the first might do everything before the other has begun.
    for worker in workers { await worker.reaches(lines: 1) }
    var handles: [JobHandle<CrashJob>] = []
    for number in 0..<300 {
      let key = number % 3 == 0 ? "key" : "-"
      handles.append(
        try await queue.enqueue(
          CrashJob(key: key),
          options: JobOptions(concurrencyKey: key == "-" ? nil : key, concurrencyLimit: 2)
        )
      )
    }
    for handle in handles { _ = try await handle.value }
    for input in inputs { try input.fileHandleForWriting.close() }
    for worker in workers {
      let ending = await worker.ended()
      #expect(ending.status == 0, "\(ending.errors)")
      // "ready", and then a line for each job: both had their share, and no limit was broken.
      #expect(ending.lines.count > 1 && ending.lines.dropFirst().allSatisfy { $0.hasPrefix("done ") })
    }
    let ids = try await database.read { tx in try tx.query("SELECT id FROM effect") { try $0.blob(0) } }
    #expect(Set(ids) == Set(handles.map(\.id.raw.bytes)) && ids.count == 300)
    await store.close()
  }

  @Test("a worker of the build before goes on beside one whose schema is a step ahead")
  func rollingSchema() async throws {
    let directory = try TemporaryDirectory()
    let path = directory.file("jobs.db")
    let next = SQLiteSchema(
      SQLiteJobStore.schema.name,
      SQLiteJobStore.schema.migrations + [
        .init(
          SQLiteJobStore.schema.migrations.count + 1,
          """
          ALTER TABLE job ADD COLUMN region TEXT;
          ALTER TABLE job_body ADD COLUMN size INTEGER NOT NULL DEFAULT 0;
          CREATE INDEX job_region ON job(region) WHERE region IS NOT NULL;
          CREATE TABLE job_region_weight(region TEXT PRIMARY KEY, weight INTEGER NOT NULL) STRICT;
          """,
          olderBuildsCanOpen: true
        )
      ]
    )
    // The older build is at work when the newer one changes the file under it.
    let helper = try ChildProgram("JobsCrashHelper")
    let (producer, older) = (try helper.start(["produce", path]), try helper.start(["work", path]))
    producer.takesDown(older)
    await producer.reaches(lines: 20)
    await older.reaches(lines: 20)
    let database = try await SQLiteDatabase.open(.file(path), schemas: [next])
    let store = try await SQLiteJobStore.open(in: database)
    let history = JobHistory()
    var (settled, seen) = ([JobSettlement](), 0)
    while seen < 100, producer.isRunning {
      let request = ClaimRequest(maximum: 5, leaseFor: .seconds(3600))
      let (outcomes, leases) = try await store.settleAndClaim(settled, request)
      for (end, outcome) in zip(settled, outcomes) where outcome == .applied {
        history.ended(end.reference, .done)
      }
      for lease in leases { history.started(lease.reference) }
      settled = leases.map { JobSettlement($0.reference, .done(result: nil)) }
      seen += leases.count
    }
    #expect(seen >= 100, "the producer has ended")
    // The older worker has gone on meanwhile, and goes on from here.
    await older.reaches(lines: 400)
    let restarted = try helper.start(["work", path])
    producer.takesDown(restarted)
    await restarted.reaches(lines: 20)
    for process in [producer, older, restarted] { process.send(signal: SIGKILL) }
    let endings = (await producer.ended(), await older.ended(), await restarted.ended())
    for line in endings.0.lines.map({ $0.split(separator: " ") }) where line.first == "enqueued" {
      history.accepted(try #require(RawJobID(line[1])))
    }
    // What each worker was given, it alone was given with that fence.
    var runs: Set<Substring> = []
    for line in endings.1.lines + endings.2.lines where line.hasPrefix("started ") {
      #expect(runs.insert(line).inserted)
    }
    let dump = try await store.observe(.init(list: .init(limit: 1_000_000))).listed
    #expect(history.judge(dump) == [])
    #expect(endings.1.lines.contains { $0.hasPrefix("settled ") } && endings.2.lines.count >= 20)
    #expect(try await store.database.problems() == [])
    await store.close()
  }

  @Test("producers that never rest before a slow consumer wait, and memory stays as it is")
  func slowConsumer() async throws {
    let helper = try ChildProgram("JobsCrashHelper")
    func numbers(_ mode: String) async throws -> [Int] {
      let ending = try await helper.run(["flow", mode])
      return ending.lines.compactMap { $0.split(separator: " ").last.flatMap { Int($0) } }
    }
    let bounded = try await numbers("bounded")
    try #require(bounded.count == 2)
    // At most 50 jobs of 32 kB wait.
    #expect(bounded[0] <= 50 && bounded[1] <= 8, "\(bounded)")
    // The control: without a bound they gather, else the consumer wasn't slow.
    let unbounded = try await numbers("unbounded")
    try #require(unbounded.count == 2)
    #expect(unbounded[0] > 400 && unbounded[1] > 8, "\(unbounded)")
  }
}
