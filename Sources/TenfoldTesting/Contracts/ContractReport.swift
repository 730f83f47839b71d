// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Collects the violations that a contract suite finds.
struct ContractReport {
  private(set) var violations: [ContractViolation] = []

  /// Notes a violation unless `holds`.
  mutating func check(_ holds: Bool, _ clause: String, observed: @autoclosure () -> String) {
    if !holds { violations.append(ContractViolation(clause, observed: observed())) }
  }

  /// Runs a clause's scenario; an error it throws is a violation.
  mutating func scenario(
    _ clause: String,
    _ body: (inout ContractReport) async throws -> Void
  ) async {
    do {
      try await body(&self)
    } catch {
      violations.append(ContractViolation(clause, observed: "threw \(error)"))
    }
  }
}
