// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization
import TenfoldTesting
import Testing

@testable import TenfoldJobs

/// A zone whose rule stands in the test: +1 h, and +2 h between two instants.
private let spring: Int64 = 1_711_846_800  // 2024-03-31 01:00 UTC: 02:00 becomes 03:00
private let autumn: Int64 = 1_729_990_800  // 2024-10-27 01:00 UTC: 03:00 becomes 02:00
private let fixedZone = ScheduleTimeZone { $0 >= spring && $0 < autumn ? 7200 : 3600 }

@Suite("Schedules are calculated, with the rules for clocks that change")
struct ScheduleTests {
  private func firings(_ text: String, from start: Int64, to end: Int64) throws -> [Int64] {
    let expression = try CronExpression(text)
    var firings: [Int64] = []
    var time = start
    while let next = expression.next(after: time, in: fixedZone), next <= end {
      firings.append(next)
      time = next
    }
    return firings
  }

  @Test("a skipped time fires when the clock is set forward, one that comes twice fires the first time")
  func changes() throws {
    #expect(try firings("30 2 * * *", from: spring - 7200, to: spring + 7200) == [spring])
    #expect(try firings("30 2 * * *", from: autumn - 7200, to: autumn + 7200) == [autumn - 1800])
    // 2:00, 2:20 and 2:40 are all skipped: one firing, not three.
    #expect(try firings("*/20 2 * * *", from: spring - 7200, to: spring + 7200) == [spring])
  }

  @Test("with a free hour the expression follows real time")
  func realTime() throws {
    let hourly = try firings("30 * * * *", from: spring - 7200, to: spring + 7200)
    #expect(hourly == [-5400, -1800, 1800, 5400].map { spring + $0 })
    let twice = try firings("30 * * * *", from: autumn - 7200, to: autumn + 7200)
    #expect(twice == [-5400, -1800, 1800, 5400].map { autumn + $0 })
  }

  @Test("every firing agrees with a search of every minute", arguments: 1...60)
  func oracle(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    func field(_ range: ClosedRange<Int>) -> String {
      let values = [Int.random(in: range, using: &random), Int.random(in: range, using: &random)].sorted()
      return switch Int.random(in: 0..<5, using: &random) {
      case 0: "\(values[0])"
      case 1: "\(values[0])-\(values[1])"
      case 2: "\(values[0]),\(values[1])"
      case 3: "*/\(max(1, values[0]))"
      default: "*"
      }
    }
    let fields = [field(0...59), field(0...23), field(1...31), field(1...12), field(0...6)]
    let expression = try CronExpression(fields.joined(separator: " "))
    let note: Comment = "seed \(seed): \(expression)"
    let around = Bool.random(using: &random) ? spring : autumn
    let start = around - Int64.random(in: 0...3 * 86_400, using: &random)
    let expected = search(fields, from: start, to: start + 4 * 86_400)
    var got: [Int64] = []
    var time = start
    while let next = expression.next(after: time, in: fixedZone), next <= start + 4 * 86_400 {
      got.append(next)
      time = next
    }
    #expect(got == expected, note)
  }

  /// Firings by looking at every minute: an oracle that shares nothing with the code but the rules.
  private func search(_ fields: [String], from start: Int64, to end: Int64) -> [Int64] {
    func matches(_ field: String, _ value: Int, _ low: Int) -> Bool {
      if field == "*" { return true }
      if field.hasPrefix("*/") { return (value - low) % (Int(field.dropFirst(2)) ?? 1) == 0 }
      if let dash = field.firstIndex(of: "-") {
        return (Int(field[..<dash])!...Int(field[field.index(after: dash)...])!).contains(value)
      }
      return field.split(separator: ",").contains { Int($0) == value }
    }
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = TimeZone(secondsFromGMT: 0)!
    func fires(local: Int64) -> Bool {
      let parts = calendar.dateComponents(
        [.minute, .hour, .day, .month, .weekday],
        from: Date(timeIntervalSince1970: Double(local))
      )
      let byDay = matches(fields[2], parts.day!, 1)
      let byWeekday = matches(fields[4], parts.weekday! - 1, 0)
      let either = !fields[2].hasPrefix("*") && !fields[4].hasPrefix("*")
      return matches(fields[0], parts.minute!, 0) && matches(fields[1], parts.hour!, 0)
        && matches(fields[3], parts.month!, 1) && (either ? byDay || byWeekday : byDay && byWeekday)
    }
    let isFree = fields[1].hasPrefix("*")
    var found: [Int64] = []
    var minute = start / 60 * 60
    while minute <= end {
      let local = minute + Int64(fixedZone.offset(minute))
      let isSecondTime = minute >= autumn && minute < autumn + 3600
      var fired = fires(local: local) && (isFree || !isSecondTime)
      if minute == spring, !isFree {
        for skipped in stride(from: local - 3600, to: local, by: 60) where fires(local: skipped) {
          fired = true
        }
      }
      if fired, minute > start { found.append(minute) }
      minute += 60
    }
    return found
  }

  @Test("a zone of the system gives the same times as its own calendar")
  func systemZone() throws {
    let berlin = try #require(TimeZone(identifier: "Europe/Berlin"))
    let expression = try CronExpression("30 2 * * *")
    var time: Int64 = 1_704_067_200
    for _ in 0..<366 {
      let next = try #require(expression.next(after: time, in: ScheduleTimeZone(berlin)))
      #expect(next - time <= 27 * 3600 && next > time)
      // The rule in this file is right for this year.
      #expect(next > 1_735_000_000 || next == expression.next(after: time, in: fixedZone))
      time = next
    }
  }

  @Test(
    "what is no expression is refused",
    arguments: [
      "", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "5-1 * * * *", "*/0 * * * *", "a * * * *",
    ]
  )
  func refusal(text: String) {
    #expect { try CronExpression(text) } throws: { ($0 as? JobError)?.code == .invalidOption }
  }

  @Test("names, short forms, Sunday as 7, and a date that never comes")
  func forms() throws {
    // 2024-01-01 was a Monday.
    let monday: Int64 = 1_704_067_200
    #expect(try CronExpression("0 0 * * mon").next(after: monday - 1, in: .utc) == monday)
    #expect(try CronExpression("0 0 * * 7").next(after: monday, in: .utc) == monday + 6 * 86_400)
    #expect(try CronExpression("@monthly").next(after: monday, in: .utc) == monday + 31 * 86_400)
    #expect(try CronExpression("0 0 29 feb *").next(after: monday, in: .utc) == 1_709_164_800)
    #expect(try CronExpression("0 0 30 feb *").next(after: monday, in: .utc) == nil)
  }

  private struct Tick: DurableJob {
    static let name: JobName = "tick.v1"
    var at: Int64
  }

  private struct Text: DurableJob {
    static let name: JobName = "text.v1"
    var text: String
  }

  @Test("a schedule whose job can't be enqueued doesn't keep the next ones from firing")
  func failingSchedule() async throws {
    let clock = ManualStoreClock()
    let store = InMemoryJobStore(clock: clock.clock)
    let schedules = ["a", "b", "c"].map { name in
      // More than a payload may hold.
      JobSchedule(name, .every(.seconds(600))) { _ in
        Text(text: String(repeating: "x", count: name == "b" ? 100_000 : 1))
      }
    }
    let scheduler = JobScheduler(store: store, schedules: schedules, clock: clock.clock)
    let start = clock.clock.wall() / 1_000_000
    clock.advance(by: .seconds(700))
    await #expect { _ = try await scheduler.fire(since: start) } throws: {
      ($0 as? JobError)?.code == .payloadTooLarge
    }
    #expect(try await store.claim(ClaimRequest(maximum: 9)).count == 2)
  }

  @Test("missed firings are left out, made up for once, or all run", arguments: [(0, 0), (1, 1), (2, 5)])
  func missed(policy: Int, count: Int) async throws {
    let clock = ManualStoreClock()
    let store = InMemoryJobStore(clock: clock.clock)
    let missed: JobSchedule.MissedRuns = [.skip, .once, .all][policy]
    let schedule = JobSchedule("s", .every(.seconds(600)), missed: missed) { Tick(at: $0) }
    // Ten minutes are whole multiples since 1970; a firing five minutes ago is missed.
    let start: Int64 = 1_700_000_000_000 / 600_000 * 600_000 + 300_000
    clock.jumpWall(by: .milliseconds(start - clock.clock.wall() / 1_000_000))
    let scheduler = JobScheduler(store: store, schedules: [schedule], clock: clock.clock)
    let other = JobScheduler(store: store, schedules: [schedule], clock: clock.clock)
    #expect(try await scheduler.fire(since: start) == .seconds(300))
    clock.advance(by: .seconds(5 * 600))
    _ = try await scheduler.fire(since: start)
    _ = try await other.fire(since: start)
    let leases = try await store.claim(ClaimRequest(maximum: 100))
    #expect(leases.count == count)
    let times = try leases.map { try JobCoding.decode(Tick.self, from: $0.payload, what: "tick").at }
    #expect(times == times.sorted() && (times.last ?? start + 2_700_000) == start + 2_700_000)
    // On time: every policy runs it.
    clock.advance(by: .seconds(310))
    _ = try await scheduler.fire(since: start)
    #expect(try await store.claim(ClaimRequest(maximum: 100)).count == 1)
  }

  @Test("what is due is what a walk over all firings finds", arguments: 1...15)
  func walk(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let expressions = [
      "* * * * *", "*/7 * * * *", "30 2 * * *", "0 0 1 * *", "15 1-4 * * mon", "0 0 30 feb *",
    ]
    let recurrence: JobSchedule.Recurrence =
      if Bool.random(using: &random) {
        .every(.seconds(Int.random(in: 1...5000, using: &random)))
      } else {
        .cron(try CronExpression(expressions.randomElement(using: &random) ?? ""), fixedZone)
      }
    let change = (Bool.random(using: &random) ? spring : autumn) * 1000
    let last = change + Int64.random(in: -100_000_000...50_000_000, using: &random)
    // Now and then the clock was set back.
    let now = last + Int64.random(in: -1_000_000...80_000_000, using: &random)
    var times: [Int64] = []
    var next = recurrence.next(last)
    while let time = next, time <= now {
      times.append(time)
      next = recurrence.next(time)
    }
    let note: Comment = "seed \(seed)"
    for missed in [JobSchedule.MissedRuns.skip, .once, .all] {
      let due = JobSchedule("s", recurrence, missed: missed) { Tick(at: $0) }.due(last: last, now: now)
      var expected = Array(times.suffix(missed == .all ? JobSchedule.mostMadeUp : 1))
      if missed == .skip { expected.removeAll { now - $0 > JobSchedule.grace } }
      #expect(due.firings == expected, note)
      #expect(due.next == next, note)
    }
  }

  @Test("years of missed seconds are not walked over", arguments: [JobSchedule.MissedRuns.skip, .once, .all])
  func longAway(missed: JobSchedule.MissedRuns) throws {
    let looks = Mutex(0)
    let every = JobSchedule.Recurrence.every(.seconds(1))
    let counted = JobSchedule.Recurrence { after in
      looks.withLock { $0 += 1 }
      return every.next(after)
    }
    let now: Int64 = 1_700_000_000_000
    let due = JobSchedule("s", counted, missed: missed) { Tick(at: $0) }
      .due(last: now - 5 * 365 * 86_400_000, now: now)
    #expect(due.firings.last == now && due.next == now + 1000)
    #expect(due.firings.count == (missed == .all ? JobSchedule.mostMadeUp : 1))
    // Nor from any time that a damaged row may name.
    for last in [Int64.min, -1, Int64.max - 1, .max] {
      let minutes = JobSchedule.Recurrence.cron(try CronExpression("* * * * *"), .utc)
      let due = JobSchedule("s", minutes, missed: missed) { Tick(at: $0) }.due(last: last, now: now)
      #expect((due.firings.last == now / 60_000 * 60_000) == (last < now))
      #expect(due.next.map { $0 > now } ?? false)
    }
    #expect(looks.withLock(\.self) <= 10 * due.firings.count + 1_200)
  }

  @Test(
    "far from any calendar an expression never fires",
    arguments: [Int64.min, -(1 << 53) - 1, 1 << 53 + 1, .max]
  )
  func farAway(instant: Int64) throws {
    let minutes = try CronExpression("* * * * *")
    #expect(minutes.next(after: instant, in: .utc) == nil)
    #expect(minutes.next(after: instant > 0 ? 1 << 53 : -(1 << 53), in: fixedZone) != nil)
    #expect(CronExpression.floorDivide(.min, 86_400) == Int64.min / 86_400 - 1)
    _ = JobSchedule.Recurrence.cron(minutes, .utc).next(instant)
    _ = JobSchedule.Recurrence.every(.seconds(7)).next(instant)
  }

  @Test(
    "a schedule whose jobs a queue would refuse isn't begun",
    arguments: [
      JobOptions(expiresAfter: .zero), JobOptions(maximumAttempts: 0), JobOptions(crashLimit: 0),
      JobOptions(concurrencyLimit: 0),
      JobOptions(rateLimit: JobRateLimit(key: "k", count: 0, per: .seconds(1))),
    ]
  )
  func refusedOptions(options: JobOptions) async throws {
    let store = InMemoryJobStore()
    let schedule = JobSchedule("s", .every(.seconds(1)), options: options) { Tick(at: $0) }
    await #expect {
      try await JobScheduler(store: store, schedules: [schedule]).run()
    } throws: { ($0 as? JobError)?.code == .invalidOption }
  }
}
