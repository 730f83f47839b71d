// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldStorage
import TenfoldTestSupport
import TenfoldTesting
import Testing

@testable import TenfoldJobs

@Suite("Damaged rows are errors or dead letters, never the end of the process", .timeLimit(.minutes(5)))
struct DamagedRowsTests {
  private static let tables = [
    "job", "job_lane", "job_level", "job_body", "job_rate", "job_slot", "job_unique", "job_tenant",
    "job_clock", "job_note",
  ]

  private func fill(_ store: SQLiteJobStore) async throws -> [RawJobID] {
    let rate = JobRateLimit(key: "r", count: 1, per: .seconds(1))
    let each = [
      JobOptions(), JobOptions(delay: .seconds(1)), JobOptions(concurrencyKey: "c"),
      JobOptions(concurrencyKey: "c"), JobOptions(rateLimit: rate), JobOptions(rateLimit: rate),
      JobOptions(uniqueKey: "u", uniqueRetention: .seconds(9)),
      JobOptions(priority: .interactive, tenant: "t"), JobOptions(queue: "other"),
    ]
    let jobs = each.map { NewJob(name: "x", payload: [1], options: $0) }
    _ = try await store.enqueue(jobs)
    try await store.control(.weigh("t", 3))
    let leases = try await store.claim(ClaimRequest(maximum: 3, leaseFor: .seconds(3600)))
    _ = try await store.extend(
      leases.map(\.reference),
      by: .seconds(3600),
      updates: leases.map { _ in JobUpdate(fraction: 0.5) }
    )
    _ = try await store.settle(leases.prefix(1).map { JobSettlement($0.reference, .done(result: [2])) })
    return jobs.map(\.id)
  }

  /// Sets some numbers to values that no build writes.
  private func damage(_ store: SQLiteJobStore, seed: UInt64) async throws {
    try await store.database.write { tx in
      var random = SeededGenerator(seed: seed)
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        guard let table = Self.tables.randomElement(using: &random) else { continue }
        let columns = try tx.query(
          "SELECT name, type FROM pragma_table_info('\(table)') WHERE type IN ('INTEGER', 'REAL') AND pk = 0"
        ) { (name: try $0.text(0), isReal: try $0.text(1) == "REAL") }
        guard let (column, isReal) = columns.randomElement(using: &random) else { continue }
        if isReal {
          let values = ["9e999", "-9e999", "1e300", "-1.5", "0.25"]
          try tx.execute("UPDATE \(table) SET \(column) = \(values.randomElement(using: &random) ?? "0")")
          continue
        }
        let values: [Int64] = [.min, .min + 1, -1, 0, 1, 7, .max - 1, .max]
        let value = values.randomElement(using: &random) ?? 0
        // What a constraint refuses can't be there.
        _ = try? tx.execute("UPDATE \(table) SET \(column) = ?1", value)
      }
    }
  }

  @Test("any numbers", arguments: 1...150 as ClosedRange<UInt64>)
  func integers(seed: UInt64) async throws {
    let clock = ManualStoreClock()
    let directory = try TemporaryDirectory()
    let path = directory.file("jobs.db")
    let options = SQLiteDatabase.Options(durability: .relaxed)
    let first = try await SQLiteJobStore.open(.file(path), options: options, clock: clock.clock)
    let ids = try await fill(first)
    try await damage(first, seed: seed)
    await first.close()
    if seed % 2 == 0 { clock.reboot() }
    let store = try await SQLiteJobStore.open(.file(path), options: options, clock: clock.clock)
    for _ in 0..<3 {
      clock.advance(by: .seconds(2))
      let stats = try? await store.observe(.init(jobs: ids, deadLetters: 9, list: .init(limit: 9)))
      for fraction in (stats?.jobs ?? []).compactMap(\.fraction) {
        #expect((0...1).contains(fraction), "seed \(seed)")
      }
      _ = try? await store.reap(limit: 10)
      _ = try? await store.enqueue([NewJob(name: "x", payload: [], options: JobOptions(concurrencyKey: "c"))])
      let leases = (try? await store.claim(ClaimRequest(maximum: 4))) ?? []
      for lease in leases {
        _ = try? await store.extend([lease.reference], by: .seconds(9), updates: [JobUpdate(fraction: 0.5)])
        _ = try? await store.settle([JobSettlement(lease.reference, .retry(after: .zero, error: "e"))])
      }
      _ = try? await store.control(.cancel(Array(ids.prefix(3))))
      _ = try? await store.control(.replay(ids))
    }
    await store.close()
  }

  @Test("lanes that count too many waiting jobs, on several queues, and fractions beyond one")
  func counts() async throws {
    let store = try await SQLiteJobStore.open(.inMemory)
    let jobs = ["a", "b", "c"].map { NewJob(name: "x", payload: [], options: JobOptions(queue: $0)) }
    _ = try await store.enqueue(jobs)
    let lease = try #require(try await store.claim(ClaimRequest(queues: ["a"], maximum: .max)).first)
    _ = try await store.extend([lease.reference], by: .seconds(9), updates: [JobUpdate(fraction: 0.5)])
    try await store.database.write { tx in
      try tx.execute("UPDATE job_lane SET waiting = ?1", Int64.max - 1)
      try tx.execute("UPDATE job_note SET fraction = 1e300")
    }
    let stats = try await store.observe(.init(jobs: [lease.reference.id]))
    #expect(stats.ready == .max && stats.jobs.first?.fraction == 1)
    #expect(try await store.claim(ClaimRequest(queues: ["b"], maximum: .min)).isEmpty)
    await store.close()
  }

  @Test("a job whose payload is gone becomes a dead letter, and the others go on")
  func hollow() async throws {
    let store = try await SQLiteJobStore.open(.inMemory)
    let jobs = (0..<3).map { NewJob(name: "x", payload: [UInt8($0)]) }
    _ = try await store.enqueue(jobs)
    try await store.database.write { tx in
      try tx.execute(
        "DELETE FROM job_body WHERE body = (SELECT body FROM job WHERE id = ?1)",
        jobs[1].id.bytes
      )
    }
    let leases = try await store.claim(ClaimRequest(maximum: 9))
    #expect(leases.map(\.reference.id) == [jobs[0].id, jobs[2].id])
    let stats = try await store.observe(.init(deadLetters: 9))
    #expect(stats.ready == 0 && stats.deadLetters.map(\.id) == [jobs[1].id])
    #expect(stats.deadLetters.first?.errors.count == 1)
    #expect(try await store.claim(ClaimRequest(maximum: 9)).isEmpty)
    try await store.control(.purge([jobs[1].id]))
    #expect(try await store.observe(.init()).dead == 0)
    await store.close()
  }

  @Test(
    "a job whose payload is gone leaves its unique key to others, wherever it was",
    arguments: [false, true]
  )
  func hollowKey(isRunning: Bool) async throws {
    let clock = ManualStoreClock()
    let store = try await SQLiteJobStore.open(.inMemory, clock: clock.clock)
    let options = JobOptions(crashLimit: 1, uniqueKey: "u", uniqueRetention: .seconds(3600))
    let job = NewJob(name: "x", payload: [], options: options)
    _ = try await store.enqueue([job])
    if isRunning { _ = try await store.claim(ClaimRequest(maximum: 1)) }
    try await store.database.write { tx in _ = try tx.execute("DELETE FROM job_body") }
    let twin = NewJob(name: "x", payload: [], options: options)
    #expect(try await store.enqueue([twin]) == [.duplicate(of: job.id)])
    clock.advance(by: .seconds(31))
    #expect(try await store.reap(limit: 9) == (isRunning ? 1 : 0))
    #expect(try await store.claim(ClaimRequest(maximum: 9)).isEmpty)
    #expect(try await store.observe(.init()).dead == 1)
    #expect(try await store.enqueue([twin]) == [.inserted])
    await store.close()
  }

  /// Where a job was when its id was damaged.
  enum Place: String, CaseIterable { case ready, running, ended, dead, parked, child }

  @Test(
    "a job whose id can't be read holds up no other, wherever it was",
    arguments: Place.allCases,
    [3, 15, 17]
  )
  func unreadableID(place: Place, length: Int) async throws {
    let clock = ManualStoreClock()
    let store = try await SQLiteJobStore.open(.inMemory, deadRetention: .seconds(60), clock: clock.clock)
    func put(_ tenant: TenantID, _ options: JobOptions) async throws -> RawJobID {
      var options = options
      options.tenant = tenant
      let job = NewJob(name: "x", payload: [], options: options)
      #expect(try await store.enqueue([job]) == [.inserted])
      return job.id
    }
    let before = ClaimRequest(maximum: 9)
    var others: [JobLease] = []
    var options = JobOptions(uniqueKey: "u", concurrencyKey: "k", resultRetention: .seconds(5))
    if place == .parked || place == .child {
      let parent = try await put("well", JobOptions(concurrencyKey: "k"))
      others = try await store.claim(before)
      if place == .child { options.after = [parent] }
    }
    let hurt = try await put("hurt", options)
    if place != .ready {
      let leases = try await store.claim(before)
      #expect(leases.count == (place == .parked || place == .child ? 0 : 1))
      let outcome: JobSettlement.Outcome = place == .ended ? .done(result: nil) : .dead(error: "x")
      if place != .running {
        _ = try await store.settle(leases.map { JobSettlement($0.reference, outcome) })
      }
    }
    try await store.database.write { tx in
      let damaged = Array((hurt.bytes + hurt.bytes).prefix(length))
      try tx.execute("UPDATE job SET id = ?2 WHERE id = ?1", hurt.bytes, damaged)
      try tx.execute("UPDATE job_unique SET id = ?2 WHERE id = ?1", hurt.bytes, damaged)
      try tx.execute("UPDATE job_after SET child = ?2 WHERE child = ?1", hurt.bytes, damaged)
    }
    let same = try await put("well", JobOptions(uniqueKey: "u", concurrencyKey: "k"))
    let plain = try await put("well", JobOptions())
    #expect(
      try await store.settle(others.map { JobSettlement($0.reference, .done(result: nil)) })
        == others.map { _ in .applied }
    )
    clock.advance(by: .seconds(11))
    _ = try await store.reap(limit: 9)
    var ran: Set<RawJobID> = []
    for _ in 0..<3 {
      let leases = try await store.claim(before)
      ran.formUnion(leases.map(\.reference.id))
      _ = try await store.settle(leases.map { JobSettlement($0.reference, .done(result: nil)) })
    }
    #expect(ran == [same, plain])
    // What is left of it is seen by nobody, and goes with its tenant or its time.
    clock.advance(by: .seconds(100))
    _ = try await store.claim(before)
    let stats = try await store.observe(.init(deadLetters: 9, list: .init(limit: 99)))
    #expect(stats.running == 0 && stats.dead == 0 && stats.deadLetters.isEmpty)
    #expect(stats.listed.allSatisfy { $0.tenant == "well" })
    if place != .child { #expect(stats.ready == 0) }
    try await store.erase("hurt")
    let left = try await store.database.read { tx in
      try tx.first("SELECT count(*) FROM job WHERE length(id) <> 16") { try $0.int(0) }
    }
    #expect(left == 0)
    #expect(try await store.observe(.init()).ready == 0)
    await store.close()
  }

  /// Rows that a running job of a key needs, deleted behind the store's back.
  enum Loss: String, CaseIterable {
    case body, lane, level, slot
  }

  @Test(
    "a running job of a key that has lost a row holds up neither the others of the key nor any settling",
    arguments: Loss.allCases,
    [false, true]
  )
  func lostRows(loss: Loss, expires: Bool) async throws {
    let clock = ManualStoreClock()
    let store = try await SQLiteJobStore.open(.inMemory, clock: clock.clock)
    func put(_ tenant: TenantID, _ key: String?) async throws -> RawJobID {
      let options = JobOptions(
        queue: tenant == "hurt" ? "hurt" : .standard,
        tenant: tenant,
        uniqueKey: tenant == "hurt" ? "u" : nil,
        concurrencyKey: key
      )
      let job = NewJob(name: "x", payload: [], options: options)
      _ = try await store.enqueue([job])
      return job.id
    }
    let hurt = try await put("hurt", "k")
    let request = ClaimRequest(queues: [.standard, "hurt"], maximum: 9)
    let held = try await store.claim(request)
    let others = [try await put("well", "k"), try await put("well", "other")]
    let beside = try await store.claim(request)
    #expect(held.map(\.reference.id) == [hurt] && beside.map(\.reference.id) == [others[1]])
    try await store.database.write { tx in
      switch loss {
      case .body:
        try tx.execute("DELETE FROM job_body WHERE body = (SELECT body FROM job WHERE id = ?1)", hurt.bytes)
      case .lane:
        try tx.execute("DELETE FROM job_lane WHERE lane = (SELECT lane FROM job WHERE id = ?1)", hurt.bytes)
      case .level: try tx.execute("DELETE FROM job_level WHERE queue = 'hurt'")
      case .slot: try tx.execute("DELETE FROM job_slot")
      }
    }
    if expires {
      clock.advance(by: .seconds(11))
      #expect(try await store.reap(limit: 9) == 2)
    } else {
      let ends = [
        JobSettlement(held[0].reference, .retry(after: .zero, error: "e")),
        JobSettlement(beside[0].reference, .done(result: nil)),
      ]
      #expect(try await store.settle(ends) == [.applied, .applied])
    }
    let next = try await store.claim(request) + store.claim(request)
    #expect(next.contains { $0.reference.id == others[0] })
    let stats = try await store.observe(.init(jobs: [hurt], deadLetters: 9))
    if loss != .slot {
      #expect(stats.deadLetters.map(\.id) == [hurt] && stats.jobs.map(\.state) == [.dead])
      #expect(stats.jobs.first?.errors.last?.hasPrefix("the file has lost") == true)
      // It stays what it is, or goes; nothing of it is an error to others.
      try await store.control(.replay([hurt]))
      _ = try await store.claim(request)
      try await store.control(.purge([hurt]))
      #expect(try await store.observe(.init(jobs: [hurt])).jobs.isEmpty)
    }
    await store.close()
  }
}
