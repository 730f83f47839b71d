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

  /// A store on a file with a delayed job, a dead letter and a result, opened anew after a start of the machine.
  private func restarted(
    _ clock: ManualStoreClock,
    _ directory: TemporaryDirectory,
    wall: Duration
  ) async throws -> SQLiteJobStore {
    let location = SQLiteDatabase.Location.file(directory.file("jobs.db"))
    let before = try await SQLiteJobStore.open(location, deadRetention: .seconds(100), clock: clock.clock)
    _ = try await before.enqueue([
      NewJob(name: "dead", payload: []),
      NewJob(name: "late", payload: [], options: JobOptions(delay: .seconds(50))),
    ])
    // So much later, as the file's clock has seen with the next write.
    clock.advance(by: .seconds(10))
    let leases = try await before.claim(ClaimRequest(maximum: 9))
    _ = try await before.settle(leases.map { JobSettlement($0.reference, .dead(error: "x")) })
    await before.close()
    clock.jumpWall(by: wall)
    clock.reboot()
    return try await SQLiteJobStore.open(location, deadRetention: .seconds(100), clock: clock.clock)
  }

  @Test(
    "a machine that starts with a wrong wall clock goes on from the time that its store saw last",
    arguments: [-86_400 * 365 * 30, -7200, -1, 86_400 * 367, 86_400 * 365 * 74, 86_400 * 365 * 200]
  )
  func wrongWall(seconds: Int) async throws {
    let directory = try TemporaryDirectory()
    let clock = ManualStoreClock()
    var store = try await restarted(clock, directory, wall: .seconds(seconds))
    // Nothing is due or has expired by that, and 40 s are left of the delay; the start may have taken one of them.
    #expect(try await store.claim(ClaimRequest(maximum: 9)).isEmpty)
    let stats = try await store.observe(.init())
    #expect(stats.dead == 1 && stats.ready == 1)
    #expect(stats.untilNextDue == .seconds(39))
    clock.advance(by: .seconds(39))
    #expect(try await store.claim(ClaimRequest(maximum: 9, leaseFor: .seconds(5))).map(\.name) == ["late"])
    // Somebody sets the clock right while the store is open: the next start counts from there.
    clock.jumpWall(by: .seconds(-seconds))
    clock.advance(by: .seconds(6))
    #expect(try await store.reap(limit: 9) == 1)
    await store.close()
    clock.advance(by: .seconds(60))
    clock.reboot()
    store = try await SQLiteJobStore.open(
      .file(directory.file("jobs.db")),
      deadRetention: .seconds(100),
      clock: clock.clock
    )
    #expect(try await store.claim(ClaimRequest(maximum: 9)).map(\.name) == ["late"])
    #expect(try await store.observe(.init()).dead == 0)
    await store.close()
  }

  @Test("a machine that was off for long has been off", arguments: [20, 86_400, 86_400 * 365])
  func longOff(seconds: Int) async throws {
    let directory = try TemporaryDirectory()
    let clock = ManualStoreClock()
    let store = try await restarted(clock, directory, wall: .seconds(seconds))
    let left = Duration.seconds(max(0, 40 - seconds))
    #expect(try await store.observe(.init()).untilNextDue == left)
    #expect(try await store.claim(ClaimRequest(maximum: 9)).count == (seconds > 40 ? 1 : 0))
    #expect(try await store.observe(.init()).dead == (seconds > 100 ? 0 : 1))
    await store.close()
  }

  @Test(
    "the time never goes back over starts of the machine, whatever its wall clock shows",
    arguments: 1...30
  )
  func neverBack(seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    let directory = try TemporaryDirectory()
    let clock = ManualStoreClock()
    var newest: Int64 = .min
    // How wrong the wall clock is, in seconds: from 1973 to 2150.
    var shift = 0
    for start in 0..<8 {
      let store = try await SQLiteJobStore.open(.file(directory.file("jobs.db")), clock: clock.clock)
      for step in 0..<6 {
        let id = RawJobID(milliseconds: UInt64(start * 10 + step), using: &random)
        _ = try await store.enqueue([NewJob(id: id, name: "x", payload: [])])
        let time = try await store.database.read { tx in
          try tx.first("SELECT run_at FROM job WHERE id = ?1", id.bytes) { try $0.int64(0) }
        }
        #expect(try #require(time) >= newest, "seed \(seed), start \(start)")
        newest = max(newest, time ?? .min)
        clock.advance(by: .milliseconds(Int.random(in: 0...1500, using: &random)))
        if Bool.random(using: &random) {
          let next = Int.random(in: -1_600_000_000...4_000_000_000, using: &random)
          clock.jumpWall(by: .seconds(next - shift))
          shift = next
        }
      }
      await store.close()
      if Bool.random(using: &random) { clock.reboot() }
    }
  }

  @Test("a system that gives all its starts the same name is found out, and a damaged mark is not gone by")
  func nameless() async throws {
    let directory = try TemporaryDirectory()
    let location = SQLiteDatabase.Location.file(directory.file("jobs.db"))
    let clock = ManualStoreClock()
    let nameless = JobStoreClock(
      monotonic: clock.clock.monotonic,
      wall: clock.clock.wall,
      bootID: { "unknown" }
    )
    var store = try await SQLiteJobStore.open(location, clock: nameless)
    _ = try await store.enqueue([NewJob(name: "x", payload: [])])
    clock.advance(by: .seconds(5))
    let lease = try #require(
      try await store.claim(ClaimRequest(maximum: 1, leaseFor: .seconds(80_000))).first
    )
    await store.close()
    clock.reboot()
    store = try await SQLiteJobStore.open(location, clock: nameless)
    #expect(try await store.reap(limit: 9) == 1)
    let again = try #require(try await store.claim(ClaimRequest(maximum: 1)).first)
    #expect(again.reference.fence > lease.reference.fence && again.crashCount == 0)
    for mark in [Int64.max, .min, -1] {
      try await store.database.write { tx in try tx.execute("UPDATE job_clock SET mark = ?1, wall = ?1", mark)
      }
      await store.close()
      clock.reboot()
      store = try await SQLiteJobStore.open(location, clock: clock.clock)
      _ = try await store.enqueue([NewJob(name: "y", payload: [], options: JobOptions(delay: .seconds(5)))])
      // The one that ran comes back, as the machine was restarted; the delayed one isn't due.
      _ = try await store.reap(limit: 9)
      #expect(try await store.claim(ClaimRequest(maximum: 9)).map(\.name) == ["x"], "\(mark)")
    }
    await store.close()
  }

  @Test("a schedule that fired in the year 2100 is not silent until then")
  func future() async throws {
    let clock = ManualStoreClock()
    let store = InMemoryJobStore(clock: clock.clock)
    let schedule = JobSchedule("tick", .every(.seconds(600))) { _ in Tick() }
    let schedulers = (0..<2).map { _ in JobScheduler(store: store, schedules: [schedule], clock: clock.clock)
    }
    let start = clock.clock.wall() / 1_000_000
    let years = Duration.seconds(75 * 365 * 86_400)
    clock.jumpWall(by: years)
    _ = try await schedulers[0].fire(since: start)
    #expect(try await store.claim(ClaimRequest(maximum: 9)).count == 1)
    clock.jumpWall(by: .zero - years)
    clock.advance(by: .seconds(600))
    // One of them sets it back.
    for scheduler in schedulers { _ = try await scheduler.fire(since: start) }
    #expect(try await store.claim(ClaimRequest(maximum: 9)).count == 1)
    for _ in 0..<3 {
      clock.advance(by: .seconds(600))
      for scheduler in schedulers { _ = try await scheduler.fire(since: start) }
      #expect(try await store.claim(ClaimRequest(maximum: 9)).count == 1)
    }
    // An hour back is an hour of rest, as it was.
    clock.jumpWall(by: .seconds(-3600))
    clock.advance(by: .seconds(1200))
    _ = try await schedulers[0].fire(since: start)
    #expect(try await store.claim(ClaimRequest(maximum: 9)).isEmpty)
  }

  @Test("a schedule that begins anew makes up for nothing that had fired before the clock was wrong")
  func anew() async throws {
    let clock = ManualStoreClock()
    let store = InMemoryJobStore(clock: clock.clock)
    // Ended jobs are forgotten at once, so that their ids don't give them away.
    let schedule = JobSchedule(
      "tick",
      .every(.seconds(600)),
      missed: .all,
      options: JobOptions(resultRetention: .zero)
    ) { _ in Tick() }
    let scheduler = JobScheduler(store: store, schedules: [schedule], clock: clock.clock)
    var start = clock.clock.wall() / 1_000_000
    func run() async throws -> Int {
      _ = try await scheduler.look(since: &start)
      let leases = try await store.claim(ClaimRequest(maximum: 9999))
      _ = try await store.settle(leases.map { JobSettlement($0.reference, .done(result: nil)) })
      return leases.count
    }
    for _ in 0..<5 {
      clock.advance(by: .seconds(600))
      #expect(try await run() == 1)
    }
    let years = Duration.seconds(75 * 365 * 86_400)
    clock.jumpWall(by: years)
    #expect(try await run() == JobSchedule.mostMadeUp)
    // A look while it is wrong moves where it begins anew; the next one finds that out.
    #expect(try await run() == 0)
    clock.jumpWall(by: .zero - years)
    #expect(try await run() == 0)
    for _ in 0..<3 {
      clock.advance(by: .seconds(600))
      #expect(try await run() == 1)
    }
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
