// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A way in which an implementation breaks the contract of its role.
///
/// Contract suites return violations as values, so that they run under any test framework:
///
/// ```swift
/// @Test func keepsTheContract() async {
///   #expect(await RetrieverContract.violations(of: makeRetriever).isEmpty)
/// }
/// ```
public struct ContractViolation: Hashable, Sendable, CustomStringConvertible {
  /// The clause that is broken, as a sentence that should be true.
  public let clause: String
  /// What was seen instead.
  public let observed: String

  /// Creates a violation.
  public init(_ clause: String, observed: String) {
    self.clause = clause
    self.observed = observed
  }

  /// The clause and what was seen.
  public var description: String { "\(clause) — observed: \(observed)" }
}
