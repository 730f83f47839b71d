// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

extension Int {
  /// The sum, or the number nearest to it: what models report of themselves must not stop the process.
  package func addingClamped(_ other: Int) -> Int {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? (self > 0 ? .max : .min) : sum
  }
}
