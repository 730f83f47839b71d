// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
public import TenfoldStorage

/// What every `EventLog` keeps to.
///
/// ```swift
/// let violations = await EventLogContract.violations { InMemoryEventLog() }
/// ```
public enum EventLogContract {
  private typealias MakeLog = @Sendable () async throws -> any EventLog

  /// Runs the suite.
  ///
  /// - Parameter log: Makes an empty log.
  /// - Returns: The clauses that are broken, with what was seen.
  public static func violations(
    of log: @Sendable () async throws -> any EventLog
  ) async -> [ContractViolation] {
    var report = ContractReport()
    await order(of: log, &report)
    await appending(to: log, &report)
    await erasing(of: log, &report)
    await trimming(of: log, &report)
    await hints(of: log, &report)
    return report.violations
  }

  /// Runs a clause's scenario on an empty log.
  private static func scenario(
    _ clause: String,
    of makeLog: MakeLog,
    _ report: inout ContractReport,
    _ body: (any EventLog, inout ContractReport) async throws -> Void
  ) async {
    await report.scenario(clause) { report in try await body(try await makeLog(), &report) }
  }

  private static func event(_ number: Int, tenant: TenantID = "") -> NewEvent {
    NewEvent(
      kind: "k.v1",
      subject: "s\(number)",
      payload: [UInt8(truncatingIfNeeded: number)],
      tenant: tenant
    )
  }

  private static func order(of log: MakeLog, _ report: inout ContractReport) async {
    await scenario("events come back in order, after any position", of: log, &report) { log, report in
      let empty = try await log.latest()
      report.check(empty == 0, "an empty log is at 0", observed: "\(empty)")
      let first = try await log.append([event(1)])
      let last = try await log.append([event(2), event(3)])
      report.check(
        first == 1 && last == 3,
        "sequences count from 1, and an append gives its last",
        observed: "\(first), \(last)"
      )
      let all = try await log.events(after: 0, limit: 10)
      report.check(
        all.map(\.sequence) == [1, 2, 3] && all.map(\.payload) == [[1], [2], [3]]
          && all.map(\.subject) == ["s1", "s2", "s3"],
        "events come back as they were appended",
        observed: "\(all)"
      )
      let part = try await log.events(after: 1, limit: 1).map(\.sequence)
      report.check(part == [2], "reading begins after a position and keeps its limit", observed: "\(part)")
      let none = try await log.events(after: 3, limit: 10)
      report.check(none.isEmpty, "nothing comes after the newest", observed: "\(none)")
      let latest = try await log.latest()
      report.check(latest == 3, "the newest position is known", observed: "\(latest)")
    }
  }

  private static func appending(to log: MakeLog, _ report: inout ContractReport) async {
    await scenario("an append needs events", of: log, &report) { log, report in
      let wasRefused = await throwsError { _ = try await log.append([]) }
      report.check(wasRefused, "an append of nothing is refused", observed: "it was taken")
    }
    await scenario("appends at the same time each have their own places", of: log, &report) { log, report in
      let lasts = try await withThrowingTaskGroup(of: Int64.self) { group in
        for number in 0..<20 {
          group.addTask { try await log.append([event(number), event(number)]) }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      let events = try await log.events(after: 0, limit: 100)
      report.check(
        Set(lasts).count == 20 && events.map(\.sequence) == Array(1...40),
        "no two events share a place and none is left out",
        observed: "\(events.map(\.sequence))"
      )
      let areWhole = stride(from: 0, to: events.count - 1, by: 2)
        .allSatisfy { events[$0].subject == events[$0 + 1].subject }
      report.check(areWhole, "an append's events lie together", observed: "\(events.map(\.subject))")
    }
  }

  private static func erasing(of log: MakeLog, _ report: inout ContractReport) async {
    await scenario("a tenant can be erased", of: log, &report) { log, report in
      _ = try await log.append([event(1, tenant: "a"), event(2, tenant: "b"), event(3)])
      let token = try await log.erase("a")
      let events = try await log.events(after: 0, limit: 10)
      report.check(
        events.map(\.sequence) == [2, 3, 4] && token == 4,
        "a tenant's events go, the others stay where they are",
        observed: "\(events.map(\.sequence)), token \(token)"
      )
      report.check(
        events.last?.kind == StoredEvent.erasure && events.last?.subject == "a",
        "an event says who was erased",
        observed: "\(String(describing: events.last))"
      )
      let wasRefused = await throwsError { _ = try await log.erase("") }
      let left = try await log.events(after: 0, limit: 10).count
      report.check(
        wasRefused && left == 3,
        "nobody's events can't be erased by accident",
        observed: "\(left) are left"
      )
    }
  }

  private static func trimming(of log: MakeLog, _ report: inout ContractReport) async {
    await scenario("old events can be trimmed", of: log, &report) { log, report in
      _ = try await log.append((1...5).map { event($0) })
      try await log.trim(through: 5)
      try await log.trim(through: 2)
      let (events, latest) = (try await log.events(after: 0, limit: 10), try await log.latest())
      let next = try await log.append([event(6)])
      report.check(
        events.isEmpty && latest == 5 && next == 6,
        "a sequence is never used again",
        observed: "\(events.count) events, newest \(latest), next \(next)"
      )
    }
  }

  private static func hints(of log: MakeLog, _ report: inout ContractReport) async {
    await scenario("an append gives a hint to those who listened before it", of: log, &report) {
      log,
      report in
      var hints = log.hints.makeAsyncIterator()
      _ = try await log.append([event(1)])
      let hint: Void? = await hints.next()
      report.check(hint != nil, "an append gives a hint", observed: "the stream ended")
    }
  }

  private static func throwsError(_ body: () async throws -> Void) async -> Bool {
    do {
      try await body()
      return false
    } catch { return true }
  }
}
