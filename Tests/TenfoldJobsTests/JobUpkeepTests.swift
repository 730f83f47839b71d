// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import TenfoldStorage
import TenfoldTestSupport
import TenfoldTesting
import Testing

@testable import TenfoldJobs

@Suite("What outlives its jobs goes")
struct JobUpkeepTests {
  private static let tenants = 3 * JobUpkeep.minimum

  /// One short job for each tenant, each with a unique key and a rate of its own.
  private static func job(_ number: Int) -> NewJob {
    NewJob(
      name: "brief",
      payload: [],
      options: JobOptions(
        queue: QueueName("q\(number % 3)"),
        tenant: TenantID("t\(number)"),
        uniqueKey: "u\(number)",
        uniqueRetention: .seconds(1),
        rateLimit: JobRateLimit(key: "r\(number)", count: 1, per: .seconds(1)),
        resultRetention: .zero
      )
    )
  }

  private static let request = ClaimRequest(queues: ["q0", "q1", "q2"], maximum: 500)

  @Test("runs that have ended leave no leases behind one that lasts")
  func endedLeases() throws {
    var table = JobTable()
    var now: Int64 = 1
    func claim() throws -> JobLease {
      _ = try table.enqueue([NewJob(name: "x", payload: [])], now: now)
      return try #require(table.claim(ClaimRequest(maximum: 1, leaseFor: .seconds(3600)), now: now).first)
    }
    _ = try claim()
    for number in 0..<5000 {
      now += 1
      let lease = try claim()
      if number % 2 == 0 {
        now += 1
        #expect(table.extend(lease.reference, by: .seconds(3600), update: nil, now: now) == .extended)
      }
      #expect(table.settle(JobSettlement(lease.reference, .done(result: nil)), now: now) == .applied)
    }
    _ = try claim()
    #expect(table.leases.count < 1100)
    // The two that go on are taken back in order.
    #expect(table.reap(limit: 9, now: 1 + 3_600_000_000_000) == 1)
    #expect(table.reap(limit: 9, now: now + 3_600_000_000_000) == 1)
    #expect(table.leases.first == nil)
  }

  @Test("delayed jobs that are cancelled, and dead letters that are purged, leave nothing behind")
  func cancelled() throws {
    var table = JobTable(deadRetention: .seconds(1_000_000))
    for number in 0..<5000 {
      let late = JobOptions(delay: .seconds(86_400), resultRetention: .zero)
      let jobs = [
        NewJob(name: "x", payload: [1], options: late), NewJob(name: "x", payload: [2]),
        NewJob(name: "x", payload: [3], options: JobOptions(resultRetention: .seconds(86_400))),
      ]
      let now = Int64(number + 1)
      _ = try table.enqueue(jobs, now: now)
      table.control(.cancel([jobs[0].id]), now: now)
      for lease in table.claim(ClaimRequest(maximum: 2), now: now) {
        let isLast = lease.payload == [3]
        _ = table.settle(
          JobSettlement(lease.reference, isLast ? .done(result: nil) : .dead(error: "x")),
          now: now
        )
      }
      table.control(.purge([jobs[1].id]), now: now)
    }
    #expect(table.records.count == 5000)
    let lanes = table.levels.values.joined().flatMap(\.lanes.values)
    #expect(lanes.map(\.dueCount).reduce(0, +) < 1100 && table.dying.count < 1100)
    #expect(table.forgetting.count == 5000)
  }

  @Test("tenants, keys and rates that come once leave no lasting trace in memory, those in use stay")
  func memory() throws {
    var table = JobTable()
    var now: Int64 = 1
    let lasting = NewJob(name: "dead", payload: [], options: JobOptions(tenant: "lasting"))
    _ = try table.enqueue([lasting], now: now)
    let lease = try #require(table.claim(ClaimRequest(maximum: 1), now: now).first)
    _ = table.settle(JobSettlement(lease.reference, .dead(error: "x")), now: now)
    var most = 0
    for begin in stride(from: 0, to: Self.tenants, by: 500) {
      _ = try table.enqueue((begin..<begin + 500).map(Self.job), now: now)
      for lease in table.claim(Self.request, now: now) {
        _ = table.settle(JobSettlement(lease.reference, .done(result: nil)), now: now)
      }
      now += 2_000_000_000
      _ = table.reap(limit: 100, now: now)
      let lanes = table.levels.values.joined().reduce(0) { $0 + $1.lanes.count }
      most = max(most, lanes, table.unique.count, table.rates.count)
    }
    #expect(table.records.count == 1)
    #expect(most <= JobUpkeep.minimum + 500)
    #expect(table.levels[.standard]?.contains { $0.lanes["lasting"] != nil } == true)
    table.control(.replay([lasting.id]), now: now)
    #expect(table.claim(ClaimRequest(maximum: 1), now: now).map(\.tenant) == ["lasting"])
  }

  @Test("… and in SQLite, also when each thousand comes from another process")
  func sqlite() async throws {
    let directory = try TemporaryDirectory()
    let clock = ManualStoreClock()
    var most = 0
    for begin in stride(from: 0, to: Self.tenants, by: 1024) {
      let store = try await SQLiteJobStore.open(
        .file(directory.file("jobs.db")),
        options: .init(durability: .relaxed),
        clock: clock.clock
      )
      if begin == 0 {
        _ = try await store.enqueue([
          NewJob(
            name: "late",
            payload: [],
            options: JobOptions(delay: .seconds(1_000_000), tenant: "lasting")
          )
        ])
      }
      _ = try await store.enqueue((begin..<begin + 1024).map(Self.job))
      var leases = try await store.claim(Self.request)
      while !leases.isEmpty {
        _ = try await store.settle(leases.map { JobSettlement($0.reference, .done(result: nil)) })
        leases = try await store.claim(Self.request)
      }
      clock.advance(by: .seconds(2))
      _ = try await store.reap(limit: 100)
      let counts = try await store.database.read { tx in
        try ["job_lane", "job_unique", "job_rate"].map { table in
          try tx.first("SELECT count(*) FROM \(table)") { try $0.int(0) } ?? 0
        }
      }
      most = max(most, counts.max() ?? 0)
      await store.close()
    }
    #expect(most > 1000 && most <= JobUpkeep.minimum + 1024)
    let store = try await SQLiteJobStore.open(.file(directory.file("jobs.db")), clock: clock.clock)
    clock.advance(by: .seconds(1_000_000))
    #expect(try await store.claim(ClaimRequest(maximum: 5)).map(\.tenant) == ["lasting"])
    await store.close()
  }

  @Test("queues that come once go, those that are paused or in use stay")
  func queues() async throws {
    let store = try await SQLiteJobStore.open(.inMemory)
    func queues() async throws -> [String] {
      try await store.database.read { tx in
        try tx.query("SELECT DISTINCT queue FROM job_level ORDER BY queue") { try $0.text(0) }
      }
    }
    let names = (0..<50).map { QueueName("q\($0)") }
    let jobs = names.map {
      NewJob(name: "x", payload: [], options: JobOptions(queue: $0, resultRetention: .zero))
    }
    _ = try await store.enqueue(jobs)
    try await store.control(.pause("q8"))
    try await store.control(.pause("empty"))
    let leases = try await store.claim(ClaimRequest(queues: names.filter { $0 != "q9" }, maximum: 99))
    _ = try await store.settle(leases.map { JobSettlement($0.reference, .done(result: nil)) })
    _ = try await store.claim(ClaimRequest(maximum: 9))
    // 48 lanes, and the levels of as many queues.
    #expect(try await store.pruneLanes() == 48 * 5)
    #expect(try await queues() == ["empty", "q8", "q9"])
    _ = try await store.enqueue([NewJob(name: "x", payload: [], options: JobOptions(queue: "q3"))])
    try await store.control(.resume("q8"))
    let left = try await store.claim(ClaimRequest(queues: names, maximum: 99))
    #expect(left.map(\.queue) == ["q3", "q8", "q9"])
    await store.close()
  }

  @Test("more lanes and rates than a claim looks at come due one claim after the other")
  func manyDue() async throws {
    let clock = ManualStoreClock()
    let store = try await SQLiteJobStore.open(.inMemory, clock: clock.clock)
    let count = 2 * JobRows.dueAtOnce + 1
    let jobs = (0..<count).map { number in
      let options = JobOptions(delay: .seconds(1), tenant: TenantID("t\(number)"))
      return NewJob(name: "x", payload: [], options: options)
    }
    _ = try await store.enqueue(jobs)
    clock.advance(by: .seconds(2))
    var counts: [Int] = []
    for _ in 0..<3 { counts.append(try await store.claim(ClaimRequest(maximum: .max)).count) }
    #expect(counts == [JobRows.dueAtOnce, JobRows.dueAtOnce, 1])
    await store.close()
  }
}
