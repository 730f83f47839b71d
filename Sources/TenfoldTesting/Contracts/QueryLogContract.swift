// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
public import TenfoldStorage

/// What every `QueryLog` keeps to.
///
/// ```swift
/// let violations = await QueryLogContract.violations { InMemoryQueryLog() }
/// ```
public enum QueryLogContract {
  /// Runs the suite.
  ///
  /// - Parameter log: Makes an empty log.
  /// - Returns: The clauses that are broken, with what was seen.
  public static func violations(
    of log: @Sendable () async throws -> any QueryLog
  ) async -> [ContractViolation] {
    var report = ContractReport()
    await report.scenario("questions come back as they were kept, by tenant") { report in
      let log = try await log()
      try await log.record([])
      let asked = [query("a", "one", 1), query("b", "two", 2), query("a", "three", 3)]
      try await log.record(asked)
      let (all, newest) = (try await log.recent(of: "a", limit: 9), try await log.recent(of: "a", limit: 1))
      report.check(
        all == [asked[2], asked[0]],
        "the newest come first, and only a tenant's own",
        observed: "\(all)"
      )
      report.check(newest == [asked[2]], "a limit is kept", observed: "\(newest)")
      var wasRefused = false
      do { try await log.record([query("a", "x", 4), query("", "x", 4)]) } catch { wasRefused = true }
      let left = try await log.recent(of: "a", limit: 9).count
      report.check(
        wasRefused && left == 2,
        "a question of nobody is refused with its batch",
        observed: "\(left)"
      )
    }
    await report.scenario("frequent questions are found") { report in
      let log = try await log()
      let texts = ["b", "a", "c", "b", "c", "b", "é", "z"]
      try await log.record(texts.enumerated().map { query("a", $1, Int64($0)) })
      try await log.record([query("b", "c", 9)])
      let frequent = try await log.frequent(of: "a", since: 0, limit: 3)
      report.check(
        frequent == [.init(text: "b", count: 3), .init(text: "c", count: 2), .init(text: "a", count: 1)],
        "the most frequent come first, equals by text",
        observed: "\(frequent)"
      )
      try await log.record([query("accents", "\u{E9}", 1), query("accents", "e\u{301}", 2)])
      let accents = try await log.frequent(of: "accents", since: 0, limit: 9)
      report.check(
        accents.count == 2 && accents.allSatisfy { $0.count == 1 },
        "questions are told apart by their bytes",
        observed: "\(accents)"
      )
      let late = try await log.frequent(of: "a", since: 5, limit: 9).map(\.text)
      report.check(late == ["b", "z", "é"], "only questions from then on count", observed: "\(late)")
    }
    await report.scenario("what is old or a tenant's can be deleted") { report in
      let log = try await log()
      try await log.record([query("a", "old", 1), query("a", "new", 5), query("b", "new", 6)])
      try await log.forget(before: 5)
      let kept = try await log.recent(of: "a", limit: 9).map(\.text)
      report.check(kept == ["new"], "what was asked before is forgotten", observed: "\(kept)")
      try await log.erase("a")
      let (gone, other) = (try await log.recent(of: "a", limit: 9), try await log.recent(of: "b", limit: 9))
      report.check(gone.isEmpty && other.count == 1, "a tenant can be erased", observed: "\(gone), \(other)")
    }
    return report.violations
  }

  private static func query(_ tenant: TenantID, _ text: String, _ time: Int64) -> LoggedQuery {
    LoggedQuery(
      tenant: tenant,
      request: RequestID("r\(time)"),
      text: text,
      source: "model_small",
      elapsed: .milliseconds(7),
      time: time
    )
  }
}
