// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import TenfoldStorage
import TenfoldTesting
import Testing

@testable import TenfoldJobs

@Suite("Jobs that a key or a rate holds back", .timeLimit(.minutes(5)))
struct HeldJobsTests {
  private static func store(onDisk: Bool, _ clock: ManualStoreClock) async throws -> any JobStore {
    onDisk
      ? try await SQLiteJobStore.open(.inMemory, clock: clock.clock) : InMemoryJobStore(clock: clock.clock)
  }

  private static func jobs(_ count: Int, _ options: JobOptions) -> [NewJob] {
    (0..<count).map { _ in NewJob(name: "x", payload: [], options: options) }
  }

  /// Hands in 5000 jobs of one key, of which one runs and the others are parked.
  private static func park(_ options: JobOptions, in store: any JobStore) async throws -> JobLease {
    _ = try await store.enqueue(jobs(5000, options))
    let request = ClaimRequest(queues: [options.queue], maximum: 10, leaseFor: .seconds(3600))
    var leases: [JobLease] = []
    for _ in 0..<200 {
      leases += try await store.claim(request)
      if try await store.observe(.init()).blocked == 4999 { break }
    }
    #expect(leases.count == 1)
    #expect(try await store.observe(.init()).blocked == 4999)
    return try #require(leases.first)
  }

  @Test("the end of a run lets few of them go, also where their queue is paused", arguments: [false, true])
  func paused(onDisk: Bool) async throws {
    let clock = ManualStoreClock()
    let store = try await Self.store(onDisk: onDisk, clock)
    let run = try await Self.park(JobOptions(concurrencyKey: "k"), in: store)
    try await store.control(.pause(.standard))
    #expect(try await store.observe(.init()).blocked == 4999)
    _ = try await store.settle([JobSettlement(run.reference, .done(result: nil))])
    #expect(try await store.observe(.init()).blocked >= 4998)
    // Nor do they come out one by one as those of other queues end.
    let other = ClaimRequest(queues: ["other"], maximum: 1)
    for _ in 0..<50 {
      _ = try await store.enqueue(Self.jobs(1, JobOptions(queue: "other", concurrencyKey: "k")))
      let lease = try #require(try await store.claim(other).first)
      _ = try await store.settle([JobSettlement(lease.reference, .done(result: nil))])
    }
    #expect(try await store.observe(.init()).blocked >= 4998)
    try await store.control(.resume(.standard))
    for _ in 0..<5 {
      let leases = try await store.claim(ClaimRequest(maximum: 10))
      #expect(leases.count == 1)
      _ = try await store.settle(leases.map { JobSettlement($0.reference, .done(result: nil)) })
    }
  }

  private struct Interruption: Error {}

  @Test("a tenant that is being erased lets none of them go")
  func erased() async throws {
    let store = try await SQLiteJobStore.open(.inMemory)
    _ = try await Self.park(JobOptions(tenant: "gone", concurrencyKey: "k"), in: store)
    var blocked = 4999
    for steps in 0..<20 {
      var left = steps
      await #expect(throws: Interruption.self) {
        _ = try await store.erase("gone", scanning: 1000, deleting: 1) {
          if left == 0 { throw Interruption() }
          left -= 1
        }
      }
      let now = try await store.database.read { tx in
        try tx.first("SELECT count(*) FROM job WHERE state = 5") { try $0.int(0) } ?? 0
      }
      #expect(blocked - now <= 200, "after \(steps) steps")
      blocked = now
    }
    #expect(try await store.erase("gone") > 4700)
    await store.close()
  }

  @Test("tenants take turns, also where more wait for one key than are looked at", arguments: [false, true])
  func manyTenants(onDisk: Bool) async throws {
    let clock = ManualStoreClock()
    let store = try await Self.store(onDisk: onDisk, clock)
    for number in 0..<270 {
      let options = JobOptions(tenant: TenantID("t\(number)"), concurrencyKey: "k")
      _ = try await store.enqueue(Self.jobs(2, options))
    }
    var order: [TenantID] = []
    for _ in 0..<600 {
      let leases = try await store.claim(ClaimRequest(maximum: 10))
      #expect(leases.count <= 1)
      order += leases.map(\.tenant)
      _ = try await store.settle(leases.map { JobSettlement($0.reference, .done(result: nil)) })
      if order.count == 270 { break }
    }
    #expect(order.count == 270)
    // Few have a second turn before all had a first.
    #expect(Set(order).count >= 250)
  }

  @Test("a limit that no producer may ask for, or a time that goes back, ends no process")
  func extremes() throws {
    let limit = JobRateLimit(key: "k", count: .min, per: Duration.nanoseconds(Int64.min), burst: .min)
    #expect(RateCell(limit).tolerance == 0)
    var table = JobTable()
    let options = JobOptions(delay: .nanoseconds(Int64.max), rateLimit: limit)
    _ = try table.enqueue(Self.jobs(1, options), now: -10)
    #expect(table.observe(.init(), now: -20).untilNextDue == .nanoseconds(Int64.max))
  }

  @Test("an id is 32 small hexadecimal digits")
  func ids() {
    let id = RawJobID()
    #expect(RawJobID("\(id)") == id)
    let text = "0123456789abcdef0123456789abcdef"
    #expect(RawJobID(text)?.description == text)
    for wrong in ["+0123456789abcde0123456789abcdef", "0123456789abcdef+123456789abcdef", text.uppercased()] {
      #expect(RawJobID(wrong) == nil)
    }
    #expect(RawJobID("-" + text.dropLast()) == nil && RawJobID(text + "0") == nil && RawJobID("") == nil)
  }
}
