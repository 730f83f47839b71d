// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldCore
import TenfoldStorage
import TenfoldTestSupport
import TenfoldTesting
import Testing

@testable import TenfoldJobs

@Suite("An erased tenant is gone from the file", .timeLimit(.minutes(3)))
struct ErasureTests {
  private static let marker = "MARKER-OF-THE-ERASED"

  /// Jobs in every state whose payloads, results, checkpoints, steps, errors, keys and traces hold a text.
  private func fill(
    _ store: SQLiteJobStore,
    _ tenant: TenantID,
    _ text: String,
    count: Int,
    using random: inout SeededGenerator
  ) async throws {
    let sizes = [0, 60, 900, 3000, 9000, 40_000]
    func bytes() -> [UInt8] {
      Array("\(text)\(String(repeating: "x", count: sizes.randomElement(using: &random) ?? 0))\(text)".utf8)
    }
    // A queue of its own, so that what is claimed is the tenant's.
    let queue: QueueName = tenant == "gone" ? "first" : "second"
    let request = ClaimRequest(queues: [queue], maximum: 1)
    for number in 0..<count {
      let options = JobOptions(
        queue: queue,
        tenant: tenant,
        uniqueKey: "\(text) \(number)",
        uniqueRetention: .seconds(1000),
        resultRetention: .seconds(number % 3 == 0 ? 0 : 1000),
        trace: ["trace": text]
      )
      _ = try await store.enqueue([NewJob(name: "x", payload: bytes(), options: options)])
      guard Bool.random(using: &random), let lease = try await store.claim(request).first
      else { continue }
      let update = JobUpdate(message: text, checkpoint: bytes(), steps: ["s": bytes()])
      _ = try await store.extend([lease.reference], by: .seconds(1000), updates: [update])
      let outcome: JobSettlement.Outcome? =
        switch Int.random(in: 0..<5, using: &random) {
        case 0: .done(result: bytes())
        case 1: .dead(error: "\(text) failed")
        case 2: .retry(after: .seconds(1), error: "\(text) failed")
        case 3: .cancelled
        default: nil
        }
      if let outcome { _ = try await store.settle([JobSettlement(lease.reference, outcome)]) }
    }
  }

  private func occurrences(of text: String, in path: String) throws -> Int {
    var count = 0
    for file in [path, path + "-wal"] where FileManager.default.fileExists(atPath: file) {
      let data = try Data(contentsOf: URL(fileURLWithPath: file))
      var start = data.startIndex
      while let found = data.range(of: Data(text.utf8), in: start..<data.endIndex) {
        count += 1
        start = found.upperBound
      }
    }
    return count
  }

  @Test(
    "nothing of it is in the file or its log once that is compacted, and others are whole",
    arguments: 1...8
  )
  func bytes(seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    let directory = try TemporaryDirectory()
    let path = directory.file("jobs.db")
    let store = try await SQLiteJobStore.open(.file(path), options: .init(durability: .relaxed))
    for _ in 0..<4 {
      try await fill(store, "gone", Self.marker, count: 15, using: &random)
      try await fill(store, "stays", "of another", count: 10, using: &random)
    }
    let others = try await store.observe(.init(list: .init(limit: 999))).listed.filter {
      $0.tenant == "stays"
    }
    // The control: it is there, in both files.
    #expect(try occurrences(of: Self.marker, in: path) > 60)
    #expect(try await store.erase("gone") > 0)
    try await store.database.compact()
    // While it is open, its log included.
    #expect(try occurrences(of: Self.marker, in: path) == 0, "seed \(seed)")
    #expect(try occurrences(of: "gone", in: path) == 0, "seed \(seed)")
    let left = try await store.observe(.init(list: .init(limit: 999))).listed
    #expect(
      left.map(\.id) == others.map(\.id) && left.map(\.payload) == others.map(\.payload),
      "seed \(seed)"
    )
    #expect(left.map(\.errors) == others.map(\.errors), "seed \(seed)")
    // It goes on as if nothing had been.
    _ = try await store.enqueue([NewJob(name: "x", payload: [], options: JobOptions(tenant: "gone"))])
    #expect(try await store.database.problems() == [])
    await store.close()
  }

  @Test("long values are overwritten without that too, and the log keeps none of them")
  func longValues() async throws {
    let directory = try TemporaryDirectory()
    let path = directory.file("jobs.db")
    let store = try await SQLiteJobStore.open(.file(path))
    let long = Array(String(repeating: "\(Self.marker) ", count: 2000).utf8)
    let jobs = (0..<5).map { _ in NewJob(name: "x", payload: long, options: JobOptions(tenant: "gone")) }
    _ = try await store.enqueue(jobs)
    #expect(try occurrences(of: Self.marker, in: path) > 9000)
    #expect(try await store.erase("gone") == 5)
    #expect(try occurrences(of: Self.marker, in: path) == 0)
    await store.close()
    #expect(try occurrences(of: Self.marker, in: path) == 0)
  }

  private struct Interruption: Error {}

  @Test("broken off at any of its steps it hands nothing out, and the next call ends it", arguments: 0...7)
  func interrupted(steps: Int) async throws {
    let directory = try TemporaryDirectory()
    let path = directory.file("jobs.db")
    let clock = ManualStoreClock()
    var store = try await SQLiteJobStore.open(.file(path), clock: clock.clock)
    func jobs(_ tenant: TenantID) -> [NewJob] {
      (0..<20).map { _ in
        NewJob(name: "x", payload: [], options: JobOptions(tenant: tenant, concurrencyKey: "k"))
      }
    }
    _ = try await store.enqueue(jobs("gone") + jobs("stays"))
    let running = try await store.claim(ClaimRequest(maximum: 9))
    #expect(running.map(\.tenant) == ["gone"])
    var left = steps
    await #expect(throws: Interruption.self) {
      _ = try await store.erase("gone", scanning: 10, deleting: 5) {
        if left == 0 { throw Interruption() }
        left -= 1
      }
    }
    // As a kill would leave it.
    await store.close()
    store = try await SQLiteJobStore.open(.file(path), clock: clock.clock)
    clock.advance(by: .seconds(11))
    _ = try await store.reap(limit: 9)
    #expect(try await store.claim(ClaimRequest(maximum: 99)).allSatisfy { $0.tenant == "stays" })
    // One that is handed in meanwhile isn't among them.
    let late = NewJob(name: "x", payload: [], options: JobOptions(tenant: "gone"))
    _ = try await store.enqueue([late])
    #expect(try await store.claim(ClaimRequest(maximum: 99)).contains { $0.reference.id == late.id })
    let known = try await store.observe(.init(list: .init(limit: 99))).listed.filter { $0.tenant == "gone" }
    #expect(known.count >= 20 - 5 * steps && !known.isEmpty)
    #expect(try await store.erase("gone") == known.count)
    let rest = try await store.observe(.init(list: .init(limit: 99))).listed
    #expect(rest.count == 20 && rest.allSatisfy { $0.tenant == "stays" })
    #expect(
      try await store.database.read { tx in
        try tx.first("SELECT count(*) FROM job_lane WHERE tenant = 'gone'") { try $0.int(0) }
      } == 0
    )
    await store.close()
  }

  @Test("killed midway it is done again, and nobody else's job is missing", .serialized, arguments: 1...4)
  func killed(seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    let directory = try TemporaryDirectory()
    let path = directory.file("jobs.db")
    let store = try await SQLiteJobStore.open(.file(path), options: .init(durability: .relaxed))
    let jobs = (0..<3000).map { number in
      NewJob(name: "x", payload: [], options: JobOptions(tenant: number % 2 == 0 ? "gone" : "stays"))
    }
    _ = try await store.enqueue(jobs)
    let gone = Set(jobs.filter { $0.options.tenant == "gone" }.map(\.id))
    let helper = try ChildProgram("JobsCrashHelper").start(["erase", path])
    // The kill comes after a random amount of work, not of time.
    let most = Int.random(in: 1..<gone.count, using: &random)
    var left = gone.count
    while left > most {
      left = try await store.observe(.init(jobs: Array(gone), countsJobs: false)).jobs.count
    }
    helper.send(signal: SIGKILL)
    _ = await helper.ended()
    #expect(
      try await store.claim(ClaimRequest(maximum: 10)).allSatisfy { $0.tenant == "stays" },
      "seed \(seed)"
    )
    try await store.erase("gone")
    let rest = try await store.observe(.init(list: .init(limit: 9999))).listed.map(\.id)
    #expect(Set(rest) == Set(jobs.map(\.id)).subtracting(gone), "seed \(seed)")
    #expect(try await store.database.problems() == [], "seed \(seed)")
    await store.close()
  }

  @Test("whoever waits for an erased job hears of it, and its run is stopped", arguments: [false, true])
  func running(onDisk: Bool) async throws {
    struct Wait: DurableJob { static let name: JobName = "wait.v1" }
    let store: any JobStore = onDisk ? try await SQLiteJobStore.open(.inMemory) : InMemoryJobStore()
    let begun = AsyncStream<Void>.makeStream()
    let stopped = AsyncStream<JobError.Code?>.makeStream()
    let worker = JobWorker(store: store, options: .init(lease: .milliseconds(300))) { handlers in
      handlers.handle(Wait.self) { _, context in
        begun.continuation.yield()
        do { try await waitForCancellation() } catch {
          do { try await context.saveCheckpoint(1) } catch let error as JobError {
            stopped.continuation.yield(error.code)
          }
        }
      }
    }
    let handle = try await JobQueue(store: store).enqueue(Wait(), options: JobOptions(tenant: "gone"))
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await worker.run() }
      for await _ in begun.stream { break }
      #expect(try await store.erase("gone") == 1)
      await #expect { _ = try await handle.value } throws: { ($0 as? JobError)?.code == .notFound }
      for await code in stopped.stream {
        #expect(code == .leaseLost)
        break
      }
      group.cancelAll()
      try await group.waitForAll()
    }
    #expect(try await store.observe(.init(list: .init(limit: 9))).listed.isEmpty)
  }

  @Test("dead letters of a file of before have their whole retention from the first claim on")
  func migration() async throws {
    let directory = try TemporaryDirectory()
    let location = SQLiteDatabase.Location.file(directory.file("jobs.db"))
    let clock = ManualStoreClock()
    let old = SQLiteSchema(SQLiteJobStore.schema.name, [SQLiteJobStore.schema.migrations[0]])
    let before = try await SQLiteDatabase.open(location, schemas: [old])
    let id = RawJobID()
    try await before.write { tx in
      try tx.executeScript(
        """
        INSERT INTO job_level VALUES(1, 'default', 0, 0, 0), (2, 'default', 1, 0, 0), (3, 'default', 2, 0, 0),
          (4, 'default', 3, 0, 0);
        INSERT INTO job_lane VALUES(1, 2, 't', 1, 0, 0, 0, 0);
        INSERT INTO job_body(body, name, data) VALUES(1, 'x', x'01');
        """
      )
      // It ran, and its last lease ended long ago.
      try tx.execute("INSERT INTO job VALUES(?1, 1, 3, 1, 2, 1, 1, 0, 1, 0, 0, 0, 1, NULL)", id.bytes)
    }
    await before.close()
    let store = try await SQLiteJobStore.open(location, deadRetention: .seconds(60), clock: clock.clock)
    _ = try await store.claim(ClaimRequest(maximum: 1))
    clock.advance(by: .seconds(59))
    _ = try await store.claim(ClaimRequest(maximum: 1))
    #expect(try await store.observe(.init(jobs: [id])).jobs.map(\.state) == [.dead])
    clock.advance(by: .seconds(1))
    _ = try await store.claim(ClaimRequest(maximum: 1))
    #expect(try await store.observe(.init(jobs: [id])).jobs.isEmpty)
    await store.close()
  }
}
