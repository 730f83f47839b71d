// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import TenfoldStorage
import TenfoldTestSupport
import TenfoldTesting
import Testing

@testable import TenfoldJobs

struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

@Suite("Job stores keep the contract")
struct JobStoreTests {
  @Test("the memory store")
  func memory() async {
    #expect(await JobStoreContract.violations { InMemoryJobStore(clock: $0) } == [])
  }

  @Test("the SQLite store")
  func sqlite() async throws {
    let directory = try TemporaryDirectory()
    let violations = await JobStoreContract.violations { clock in
      try await SQLiteJobStore.open(.file(directory.file("\(RawJobID()).db")), clock: clock)
    }
    #expect(violations == [])
  }

  @Test("of long errors and messages a store keeps whole characters", arguments: [false, true])
  func longTexts(onDisk: Bool) async throws {
    let store: any JobStore = onDisk ? try await SQLiteJobStore.open(.inMemory) : InMemoryJobStore()
    let texts = [
      String(repeating: "x", count: 4096), String(repeating: "x", count: 4097),
      String(repeating: "👩‍🚀", count: 100_000), "e" + String(repeating: "\u{301}", count: 9000), "",
    ]
    for text in texts {
      let job = NewJob(name: "x", payload: [])
      _ = try await store.enqueue([job])
      let lease = try #require(try await store.claim(ClaimRequest(maximum: 1)).first)
      let update = JobUpdate(message: text)
      _ = try await store.extend([lease.reference], by: .seconds(9), updates: [update])
      _ = try await store.settle([JobSettlement(lease.reference, .dead(error: text))])
      let kept = try #require(try await store.observe(.init(jobs: [job.id])).jobs.first)
      #expect(kept.message == kept.errors.first)
      let error = try #require(kept.errors.first)
      if text.utf8.count <= 4096 {
        #expect(error == text)
      } else {
        #expect(error.utf8.count <= 4096 && error.utf8.count > 4000 && error.hasSuffix("…"))
        #expect(text.unicodeScalars.starts(with: error.unicodeScalars.dropLast()))
        if text.hasPrefix("👩‍🚀") { #expect(error.dropLast().allSatisfy { $0 == "👩‍🚀" }) }
      }
    }
  }

  @Test("stores that keep dead letters for a time")
  func deadRetention() async throws {
    let retention = Duration.seconds(3600)
    #expect(
      await JobStoreContract.violations(deadRetention: retention) {
        InMemoryJobStore(deadRetention: retention, clock: $0)
      } == []
    )
    #expect(
      await JobStoreContract.violations(deadRetention: retention) {
        try await SQLiteJobStore.open(.inMemory, deadRetention: retention, clock: $0)
      } == []
    )
  }

  @Test("after any history the SQLite store answers as the model does", arguments: 1...200)
  func model(seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    let clock = ManualStoreClock()
    // Half of them keep dead letters for a time.
    let retention: Duration? = seed % 2 == 0 ? .seconds(30) : nil
    let model = InMemoryJobStore(deadRetention: retention, clock: clock.clock)
    let store = try await SQLiteJobStore.open(.inMemory, deadRetention: retention, clock: clock.clock)
    // Both queues are there before one is paused, which counts as making it in one of the stores.
    let first = [QueueName.standard, "other"].map { queue in
      NewJob(
        id: RawJobID(milliseconds: 0, using: &random),
        name: "model",
        payload: [],
        options: JobOptions(queue: queue)
      )
    }
    #expect(try await model.enqueue(first) == store.enqueue(first), "seed \(seed)")
    var ids = first.map(\.id)
    var references: [JobLease.Reference] = []
    var settled: Set<JobLease.Reference> = []
    var fences: [RawJobID: Int64] = [:]
    for step in 0..<150 {
      let note: Comment = "seed \(seed), step \(step)"
      clock.advance(by: .milliseconds(Int.random(in: 0...3000, using: &random)))
      switch Int.random(in: 0..<12, using: &random) {
      case 0...2:
        let options = JobOptions(
          queue: Bool.random(using: &random) ? .standard : "other",
          priority: JobPriority(rawValue: Int.random(in: 0...3, using: &random)) ?? .normal,
          delay: .seconds(Int.random(in: 0...8, using: &random)),
          expiresAfter: Int.random(in: 0..<4, using: &random) == 0
            ? .seconds(Int.random(in: 1...20, using: &random)) : nil,
          tenant: ["a", "b", "c"][Int.random(in: 0..<3, using: &random)],
          maximumAttempts: Int.random(in: 1...3, using: &random),
          uniqueKey: Bool.random(using: &random) ? "u\(Int.random(in: 0..<4, using: &random))" : nil,
          uniqueRetention: .seconds(Int.random(in: 0...5, using: &random)),
          concurrencyKey: Int.random(in: 0..<3, using: &random) == 0
            ? "c\(Int.random(in: 0..<2, using: &random))" : nil,
          concurrencyLimit: Int.random(in: 1...2, using: &random),
          rateLimit: Int.random(in: 0..<4, using: &random) == 0
            ? JobRateLimit(
              key: "r\(Int.random(in: 0..<2, using: &random))",
              count: 1,
              per: .seconds(Int.random(in: 1...4, using: &random)),
              burst: Int.random(in: 1...2, using: &random)
            ) : nil,
          after: Int.random(in: 0..<4, using: &random) == 0
            ? (0..<2).compactMap { _ in ids.randomElement(using: &random) } : [],
          resultRetention: .seconds(Int.random(in: 0...100, using: &random))
        )
        let id =
          ids.isEmpty || Int.random(in: 0..<5, using: &random) > 0
          ? RawJobID(milliseconds: UInt64(step), using: &random)
          : ids[Int.random(in: 0..<ids.count, using: &random)]
        let job = NewJob(id: id, name: "model", payload: [UInt8(step & 0xFF)], options: options)
        ids.append(id)
        // Enqueueing a forgotten id again is allowed to differ, so only known ones are repeated.
        let isKnown = try await !model.observe(.init(jobs: [id])).jobs.isEmpty
        if !isKnown, ids.dropLast().contains(id) { continue }
        #expect(try await model.enqueue([job]) == store.enqueue([job]), note)
      case 3...5:
        let request = ClaimRequest(
          queues: [.standard, "other"],
          maximum: Int.random(in: 1...4, using: &random),
          leaseFor: .seconds(Int.random(in: 1...9, using: &random))
        )
        let expected = try await model.claim(request)
        let got = try await store.claim(request)
        #expect(expected.map(\.reference) == got.map(\.reference), note)
        #expect(expected.map(\.attempt) == got.map(\.attempt), note)
        #expect(expected.map(\.checkpoint) == got.map(\.checkpoint), note)
        #expect(expected.map(\.waited) == got.map(\.waited), note)
        for lease in got {
          #expect(lease.reference.fence > fences[lease.reference.id, default: 0], note)
          fences[lease.reference.id] = lease.reference.fence
        }
        references += got.map(\.reference)
      case 6...8:
        guard let reference = references.randomElement(using: &random) else { continue }
        let outcome: JobSettlement.Outcome =
          switch Int.random(in: 0..<5, using: &random) {
          case 0: .done(result: [1])
          case 1: .retry(after: .seconds(Int.random(in: 0...5, using: &random)), error: "e\(step)")
          case 2: .dead(error: "d\(step)")
          case 3: .release(after: .zero)
          default: .cancelled
          }
        let settlement = JobSettlement(reference, outcome)
        let got = try await store.settle([settlement])
        #expect(try await model.settle([settlement]) == got, note)
        if got == [.applied] { #expect(settled.insert(reference).inserted, note) }
      case 9:
        guard let reference = references.randomElement(using: &random) else { continue }
        let update = JobUpdate(
          fraction: 0.5,
          checkpoint: Bool.random(using: &random) ? [UInt8(step & 3)] : nil,
          steps: Bool.random(using: &random) ? ["s": [UInt8(step & 1)]] : [:]
        )
        let expected = try await model.extend([reference], by: .seconds(5), updates: [update])
        #expect(try await store.extend([reference], by: .seconds(5), updates: [update]) == expected, note)
      case 10: #expect(try await model.reap(limit: 100) == store.reap(limit: 100), note)
      default:
        if Int.random(in: 0..<6, using: &random) == 0 {
          let tenant: TenantID = ["a", "b", "c"][Int.random(in: 0..<3, using: &random)]
          #expect(try await model.erase(tenant) == store.erase(tenant), note)
        }
        guard let id = ids.randomElement(using: &random) else { continue }
        let command: JobControl =
          switch Int.random(in: 0..<9, using: &random) {
          case 6: .pause(Bool.random(using: &random) ? .standard : "other")
          case 7: .resume(.standard)
          case 8: .resume("other")
          case 0...1: .cancel([id])
          case 2...3: .replay([id])
          case 4: .purge([id])
          default: .weigh("b", Int.random(in: 1...4, using: &random))
          }
        try await model.control(command)
        try await store.control(command)
      }
      let query = JobStats.Query(jobs: ids, deadLetters: 50)
      let (left, right) = (try await model.observe(query), try await store.observe(query))
      #expect(left.ready == right.ready && left.running == right.running && left.dead == right.dead, note)
      #expect(left.untilNextDue == right.untilNextDue, note)
      #expect(left.jobs.map(\.state) == right.jobs.map(\.state), note)
      #expect(left.jobs.map(\.errors) == right.jobs.map(\.errors), note)
      #expect(left.jobs.map(\.attempts) == right.jobs.map(\.attempts), note)
      #expect(left.jobs.map(\.crashCount) == right.jobs.map(\.crashCount), note)
    }
    await store.close()
  }

  @Test("a restart of the machine voids leases and keeps delays by the wall clock")
  func reboot() async throws {
    let directory = try TemporaryDirectory()
    let clock = ManualStoreClock()
    let path = directory.file("jobs.db")
    let before = try await SQLiteJobStore.open(.file(path), clock: clock.clock)
    _ = try await before.enqueue([
      NewJob(name: "a", payload: []),
      NewJob(name: "b", payload: [], options: JobOptions(delay: .seconds(100))),
    ])
    #expect(try await before.claim(ClaimRequest(maximum: 5, leaseFor: .seconds(80_000))).count == 1)
    await before.close()
    clock.advance(by: .seconds(50))
    clock.reboot()
    let after = try await SQLiteJobStore.open(.file(path), clock: clock.clock)
    #expect(try await after.reap(limit: 10) == 1)
    let again = try await after.claim(ClaimRequest(maximum: 5))
    // The job isn't to blame for the restart.
    #expect(again.map(\.name) == ["a"] && again.map(\.crashCount) == [0])
    clock.advance(by: .seconds(51))
    #expect(try await after.claim(ClaimRequest(maximum: 5)).map(\.name) == ["b"])
    await after.close()
  }

  @Test("a full disk refuses new jobs with a typed error and loses none that was acknowledged")
  func diskFull() async throws {
    let directory = try TemporaryDirectory()
    let store = try await SQLiteJobStore.open(
      .file(directory.file("jobs.db")),
      options: .init(maximumSizeInBytes: 400 << 10)
    )
    var acknowledged: Set<RawJobID> = []
    var refusal: StorageError?
    while refusal == nil, acknowledged.count < 10_000 {
      let job = NewJob(name: "big", payload: [UInt8](repeating: 7, count: 3000))
      do {
        _ = try await store.enqueue([job])
        acknowledged.insert(job.id)
      } catch { refusal = error as? StorageError }
    }
    #expect(refusal?.code == .storageFull)
    let known = try await store.observe(.init(jobs: Array(acknowledged))).jobs
    #expect(known.count == acknowledged.count)
    #expect(known.allSatisfy { $0.state == .ready })
    await store.close()
    let roomy = try await SQLiteJobStore.open(.file(directory.file("jobs.db")))
    #expect(try await roomy.claim(ClaimRequest(maximum: 20_000)).count == acknowledged.count)
    await roomy.close()
  }

  @Test("a job and the host's own row are written together or not at all")
  func sharedTransaction() async throws {
    let own = SQLiteSchema("own", [.init(1, "CREATE TABLE effect(id INTEGER PRIMARY KEY);")])
    let database = try await SQLiteDatabase.open(.inMemory, schemas: [SQLiteJobStore.schema, own])
    let store = try await SQLiteJobStore.open(in: database)
    _ = try await store.enqueue([NewJob(name: "x", payload: [])])
    let lease = try #require(try await store.claim(ClaimRequest(maximum: 1)).first)
    for _ in 0..<2 {
      try? await database.write { tx in
        try tx.execute("INSERT INTO effect DEFAULT VALUES")
        let outcome = try store.settle([JobSettlement(lease.reference, .done(result: nil))], in: tx)
        if outcome != [.applied] { throw JobError(.leaseLost, "fenced") }
      }
    }
    #expect(
      try await database.read { tx in try tx.first("SELECT count(*) FROM effect") { try $0.int(0) } } == 1
    )
    await store.close()
  }

  @Test("what happens in the host's transaction wakes whoever waits, once it is committed")
  func hintsOfTransactions() async throws {
    let store = try await SQLiteJobStore.open(.inMemory)
    var hints = store.wakeups.makeAsyncIterator()
    let job = NewJob(name: "x", payload: [])
    await #expect(throws: StorageError.self) {
      try await store.database.write { tx in
        _ = try store.enqueue([job], in: tx)
        throw StorageError(.other, "scripted")
      }
    }
    #expect(try await store.observe(.init()).ready == 0)
    _ = try await store.database.write { tx in try store.enqueue([job], in: tx) }
    #expect(await hints.next() == .ready)
    let lease = try #require(try await store.claim(ClaimRequest(maximum: 1)).first)
    _ = try await store.database.write { tx in
      try store.settle([JobSettlement(lease.reference, .done(result: nil))], in: tx)
    }
    #expect(await hints.next() == .settled)
    await store.close()
  }

  @Test("rows of tenants without jobs can be pruned, those with any job stay")
  func pruning() async throws {
    let store = try await SQLiteJobStore.open(.inMemory)
    let jobs = (0..<6).map { NewJob(name: "x", payload: [], options: JobOptions(tenant: TenantID("t\($0)"))) }
    _ = try await store.enqueue(jobs)
    let leases = try await store.claim(ClaimRequest(maximum: 3))
    _ = try await store.settle([
      JobSettlement(leases[0].reference, .done(result: nil)),
      JobSettlement(leases[1].reference, .dead(error: "x")),
    ])
    // The done one is kept for its retention: nothing can go yet.
    #expect(try await store.pruneLanes() == 0)
    _ = try await store.enqueue([
      NewJob(name: "x", payload: [], options: JobOptions(tenant: "brief", resultRetention: .zero))
    ])
    var left = try await store.claim(ClaimRequest(maximum: 9))
    _ = try await store.settle(left.map { JobSettlement($0.reference, .done(result: nil)) })
    // A claim forgets what isn't kept any more.
    _ = try await store.claim(ClaimRequest(maximum: 9))
    #expect(try await store.pruneLanes() == 1)
    // Dead letters come back to their lanes, and pruned tenants get new ones.
    try await store.control(.replay([leases[1].reference.id]))
    _ = try await store.enqueue([NewJob(name: "x", payload: [], options: JobOptions(tenant: "brief"))])
    left = try await store.claim(ClaimRequest(maximum: 9))
    #expect(left.count == 2)
    await store.close()
  }
}
