// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import TenfoldStorage
import TenfoldTestSupport
import TenfoldTesting
import Testing

@testable import TenfoldJobs

@Suite("A wall clock that jumps an hour back and forth changes nothing")
struct ClockJumpTests {
  /// A history on a file that is opened anew now and then: all that the store answered.
  private func answers(seed: UInt64, jumps: Bool) async throws -> [String] {
    var random = SeededGenerator(seed: seed)
    let directory = try TemporaryDirectory()
    let clock = ManualStoreClock()
    let path = directory.file("jobs.db")
    var store = try await SQLiteJobStore.open(.file(path), clock: clock.clock)
    var held: [JobLease.Reference] = []
    var answers: [String] = []
    for _ in 0..<80 {
      clock.advance(by: .milliseconds(Int.random(in: 0...4000, using: &random)))
      let jump = Duration.seconds(3600 * Int.random(in: -1...1, using: &random))
      if jumps { clock.jumpWall(by: jump) }
      switch Int.random(in: 0..<10, using: &random) {
      case 0...2:
        let isLimited = Bool.random(using: &random)
        let options = JobOptions(
          delay: .seconds(Int.random(in: 0...8, using: &random)),
          uniqueKey: Int.random(in: 0..<3, using: &random) == 0 ? "u" : nil,
          uniqueRetention: .seconds(5),
          rateLimit: isLimited ? JobRateLimit(key: "r", count: 1, per: .seconds(3)) : nil,
          resultRetention: .seconds(Int.random(in: 0...30, using: &random))
        )
        let id = RawJobID(milliseconds: UInt64(answers.count), using: &random)
        let job = NewJob(id: id, name: "x", payload: [], options: options)
        answers.append("\(try await store.enqueue([job]))")
      case 3...5:
        let request = ClaimRequest(maximum: 3, leaseFor: .seconds(Int.random(in: 1...9, using: &random)))
        let leases = try await store.claim(request).map(\.reference)
        held += leases
        answers.append("\(leases)")
      case 6:
        guard let reference = held.randomElement(using: &random) else { continue }
        answers.append("\(try await store.extend([reference], by: .seconds(5), updates: [nil]))")
      case 7:
        guard let reference = held.randomElement(using: &random) else { continue }
        answers.append("\(try await store.settle([JobSettlement(reference, .done(result: nil))]))")
      case 8: answers.append("\(try await store.reap(limit: 10))")
      default:
        await store.close()
        store = try await SQLiteJobStore.open(.file(path), clock: clock.clock)
      }
      let stats = try await store.observe(.init())
      answers.append("\(stats.ready) \(stats.running) \(stats.untilNextDue.map { "\($0)" } ?? "-")")
    }
    await store.close()
    return answers
  }

  @Test("leases, delays, limits and retentions end as if it had not jumped", arguments: 1...30)
  func store(seed: UInt64) async throws {
    let steady = try await answers(seed: seed, jumps: false)
    #expect(try await answers(seed: seed, jumps: true) == steady, "seed \(seed)")
  }

  private struct Tick: DurableJob {
    static let name: JobName = "tick.v1"
    func run(_ context: JobContext) async throws -> NoOutput { NoOutput() }
  }

  @Test("no firing of a schedule comes twice or is left out", arguments: 1...30)
  func schedule(seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    let clock = ManualStoreClock()
    let store = InMemoryJobStore(clock: clock.clock)
    let schedule = JobSchedule("tick", .every(.seconds(600)), missed: .all) { _ in Tick() }
    let schedulers = (0..<2).map { _ in
      JobScheduler(store: store, schedules: [schedule], clock: clock.clock)
    }
    let start = clock.clock.wall() / 1_000_000
    var latest = start
    for _ in 0..<60 {
      clock.advance(by: .seconds(Int.random(in: 0...900, using: &random)))
      clock.jumpWall(by: .seconds(3600 * Int.random(in: -1...1, using: &random)))
      for scheduler in schedulers.shuffled(using: &random) { _ = try await scheduler.fire(since: start) }
      latest = max(latest, clock.clock.wall() / 1_000_000)
    }
    // Each multiple of ten minutes that any clock has shown, once.
    let count = latest / 600_000 - start / 600_000
    #expect(try await store.observe(.init()).ready == Int(count), "seed \(seed)")
  }
}
