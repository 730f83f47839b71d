// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore
public import TenfoldStorage

/// What every `UsageLedger` keeps to.
///
/// ```swift
/// let violations = await UsageLedgerContract.violations { InMemoryUsageLedger() }
/// ```
public enum UsageLedgerContract {
  private static let day: Int64 = 86_400 * 1_000_000_000

  /// Runs the suite.
  ///
  /// - Parameter ledger: Makes an empty ledger.
  /// - Returns: The clauses that are broken, with what was seen.
  public static func violations(
    of ledger: @Sendable () async throws -> any UsageLedger
  ) async -> [ContractViolation] {
    var report = ContractReport()
    await report.scenario("calls are summed up by tenant and model") { report in
      try await sums(try await ledger(), &report)
    }
    await report.scenario("days can be chosen") { report in try await days(try await ledger(), &report) }
    await report.scenario("sums saturate") { report in try await saturation(try await ledger(), &report) }
    await report.scenario("a tenant can be erased") { report in
      try await erasure(try await ledger(), &report)
    }
    return report.violations
  }

  /// One call as the suite books it.
  ///
  /// - Parameters:
  ///   - tenant: Whose.
  ///   - model: Of which model.
  ///   - tokens: Tokens generated, and the cost in billionths of a dollar.
  ///   - time: When.
  /// - Returns: The entry.
  public static func entry(_ tenant: TenantID, _ model: String, tokens: Int, time: Int64 = 0) -> UsageEntry {
    UsageEntry(
      tenant: tenant,
      request: RequestID("r"),
      call: ModelCall(
        model: model,
        tier: .small,
        usage: TokenUsage(promptTokens: 2, cachedPromptTokens: 1, completionTokens: tokens),
        cost: Money(nanodollars: Int64(tokens))
      ),
      time: time
    )
  }

  private static func sums(_ ledger: any UsageLedger, _ report: inout ContractReport) async throws {
    try await ledger.book([])
    let none = try await ledger.totals(of: "a")
    report.check(none.isEmpty, "nothing was used before anything was booked", observed: "\(none)")
    try await ledger.book([
      entry("a", "m", tokens: 3), entry("a", "n", tokens: 5), entry("b", "m", tokens: 7),
    ])
    try await ledger.book([entry("a", "m", tokens: 4)])
    let totals = try await ledger.totals(of: "a")
    report.check(
      totals.keys.sorted() == ["m", "n"] && totals["m"]?.calls == 2 && totals["m"]?.completionTokens == 7
        && totals["m"]?.promptTokens == 4 && totals["m"]?.cachedPromptTokens == 2
        && totals["m"]?.cost == Money(nanodollars: 7) && totals["n"]?.calls == 1,
      "a tenant's totals hold its own calls, all that were booked before",
      observed: "\(totals)"
    )
    var wasRefused = false
    do { try await ledger.book([entry("a", "m", tokens: 1), entry("", "m", tokens: 1)]) } catch {
      wasRefused = true
    }
    let after = try await ledger.totals(of: "a")["m"]?.calls
    report.check(
      wasRefused && after == 2,
      "a call of nobody is refused, and with it those of the same booking",
      observed: "refused \(wasRefused), calls \(after ?? 0)"
    )
  }

  private static func days(_ ledger: any UsageLedger, _ report: inout ContractReport) async throws {
    for (number, time) in [-1, 0, day - 1, day, 3 * day].enumerated() {
      try await ledger.book([entry("a", "m", tokens: 1 << number, time: time)])
    }
    let chosen = try await ledger.totals(of: "a", days: UTCDay(0)...UTCDay(1))["m"]?.completionTokens
    report.check(chosen == 0b01110, "days begin and end at midnight UTC", observed: "\(chosen ?? 0)")
    let all = try await ledger.totals(of: "a")["m"]?.completionTokens
    report.check(all == 0b11111, "without days all count", observed: "\(all ?? 0)")
  }

  private static func saturation(_ ledger: any UsageLedger, _ report: inout ContractReport) async throws {
    try await ledger.book([entry("a", "m", tokens: .max), entry("a", "m", tokens: .max)])
    let total = try await ledger.totals(of: "a")["m"]
    report.check(
      total?.completionTokens == .max && total?.cost == Money(nanodollars: .max),
      "a sum that doesn't fit stays at the largest number",
      observed: "\(String(describing: total))"
    )
  }

  private static func erasure(_ ledger: any UsageLedger, _ report: inout ContractReport) async throws {
    try await ledger.book([entry("a", "m", tokens: 1), entry("b", "m", tokens: 1)])
    try await ledger.erase("a")
    let (gone, kept) = (try await ledger.totals(of: "a"), try await ledger.totals(of: "b"))
    report.check(
      gone.isEmpty && kept["m"]?.calls == 1,
      "an erased tenant is gone and the others stay",
      observed: "\(gone), \(kept)"
    )
    try await ledger.book([entry("a", "m", tokens: 9)])
    let again = try await ledger.totals(of: "a")["m"]?.completionTokens
    report.check(again == 9, "a tenant that comes back begins anew", observed: "\(again ?? 0)")
  }
}
