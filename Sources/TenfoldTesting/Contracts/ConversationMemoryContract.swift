// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
public import TenfoldStorage

/// What every `ConversationMemory` keeps to.
///
/// ```swift
/// let violations = await ConversationMemoryContract.violations { InMemoryConversationMemory() }
/// ```
public enum ConversationMemoryContract {
  /// Runs the suite.
  ///
  /// - Parameter memory: Makes an empty memory.
  /// - Returns: The clauses that are broken, with what was seen.
  public static func violations(
    of memory: @Sendable () async throws -> any ConversationMemory
  ) async -> [ContractViolation] {
    var report = ContractReport()
    await report.scenario("a writer reads its own turns, in order") { report in
      try await order(try await memory(), &report)
    }
    await report.scenario("conversations don't meet") { report in
      let memory = try await memory()
      try await memory.append([turn("a's", 1)], to: "c", of: "a")
      let token = try await memory.append([turn("b's", 2)], to: "c", of: "b")
      let texts = try await read(memory, "c", "a", .includes(token))
      report.check(texts == ["a's"], "one name is another conversation of each tenant", observed: "\(texts)")
      try await memory.append([turn("one", 3)], to: "\u{E9}", of: "a")
      let accented = try await memory.append([turn("other", 4)], to: "e\u{301}", of: "a")
      let own = try await read(memory, "\u{E9}", "a", .includes(accented))
      report.check(own == ["one"], "names are told apart by their bytes", observed: "\(own)")
      let none = try await read(memory, "d", "a", .newest)
      report.check(none.isEmpty, "a conversation that never was is empty", observed: "\(none)")
    }
    await report.scenario("what is old or a tenant's can be deleted") { report in
      let memory = try await memory()
      try await memory.append([turn("old", 1), turn("new", 5)], to: "c", of: "a")
      try await memory.append([turn("other", 6)], to: "c", of: "b")
      try await memory.forget(before: 5)
      let kept = try await read(memory, "c", "a", .newest)
      report.check(kept == ["new"], "what was said before is forgotten", observed: "\(kept)")
      let token = try await memory.erase("a")
      let gone = try await read(memory, "c", "a", .includes(token))
      let other = try await read(memory, "c", "b", .includes(token))
      report.check(
        gone.isEmpty && other == ["other"],
        "a tenant can be erased",
        observed: "\(gone), \(other)"
      )
    }
    return report.violations
  }

  private static func order(_ memory: any ConversationMemory, _ report: inout ContractReport) async throws {
    let first = try await memory.append([turn("1", 9), turn("2", 9)], to: "c", of: "a")
    let second = try await memory.append([turn("3", 8)], to: "c", of: "a")
    report.check(first < second, "tokens rise", observed: "\(first), \(second)")
    let turns = try await memory.turns(of: "c", for: "a", last: 9, .includes(second))
    report.check(
      turns == [turn("1", 9), turn("2", 9), turn("3", 8)],
      "turns come back as they were added, in the order of adding",
      observed: "\(turns)"
    )
    let end = try await memory.turns(of: "c", for: "a", last: 2, .newest).map(\.message.content)
    report.check(end == ["2", "3"], "the end is read", observed: "\(end)")
    for (turns, tenant) in [([turn("x", 1)], TenantID("")), ([], "a")] {
      var wasRefused = false
      do { try await memory.append(turns, to: "c", of: tenant) } catch { wasRefused = true }
      report.check(wasRefused, "no turns, and nobody's turns, are refused", observed: "they were taken")
    }
  }

  private static func turn(_ text: String, _ time: Int64) -> ConversationTurn {
    ConversationTurn(.user(text), time: time)
  }

  private static func read(
    _ memory: any ConversationMemory,
    _ conversation: ConversationID,
    _ tenant: TenantID,
    _ consistency: ReadConsistency
  ) async throws -> [String] {
    try await memory.turns(of: conversation, for: tenant, last: 99, consistency).map(\.message.content)
  }
}
