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
    "job_clock",
  ]

  private func fill(_ store: SQLiteJobStore) async throws -> [RawJobID] {
    let rate = JobRateLimit(key: "r", count: 1, per: .seconds(1))
    let each = [
      JobOptions(), JobOptions(delay: .seconds(1)), JobOptions(concurrencyKey: "c"),
      JobOptions(concurrencyKey: "c"), JobOptions(rateLimit: rate), JobOptions(rateLimit: rate),
      JobOptions(uniqueKey: "u", uniqueRetention: .seconds(9)),
      JobOptions(priority: .interactive, tenant: "t"),
    ]
    let jobs = each.map { NewJob(name: "x", payload: [1], options: $0) }
    _ = try await store.enqueue(jobs)
    try await store.control(.weigh("t", 3))
    let leases = try await store.claim(ClaimRequest(maximum: 3, leaseFor: .seconds(3600)))
    _ = try await store.settle(leases.prefix(1).map { JobSettlement($0.reference, .done(result: [2])) })
    return jobs.map(\.id)
  }

  /// Sets some integers to values that no build writes.
  private func damage(_ store: SQLiteJobStore, seed: UInt64) async throws {
    try await store.database.write { tx in
      var random = SeededGenerator(seed: seed)
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        guard let table = Self.tables.randomElement(using: &random) else { continue }
        let columns = try tx.query(
          "SELECT name FROM pragma_table_info('\(table)') WHERE type = 'INTEGER' AND pk = 0"
        ) { try $0.text(0) }
        guard let column = columns.randomElement(using: &random) else { continue }
        let values: [Int64] = [.min, .min + 1, -1, 0, 1, 7, .max - 1, .max]
        let value = values.randomElement(using: &random) ?? 0
        // What a constraint refuses can't be there.
        _ = try? tx.execute("UPDATE \(table) SET \(column) = ?1", value)
      }
    }
  }

  @Test("any integers", arguments: 1...150 as ClosedRange<UInt64>)
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
      _ = try? await store.observe(.init(jobs: ids, deadLetters: 9, list: .init(limit: 9)))
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
}
