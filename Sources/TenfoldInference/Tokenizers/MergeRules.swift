// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// What may be merged.
protocol MergeRules {
  /// The rank of a pair's rule, or ``PairTable/noRank``, and its slot for ``result(slot:)``.
  mutating func rule(_ left: Int32, _ right: Int32) -> (rank: UInt32, slot: Int32)

  /// The symbol that a rule merges its pair into.
  func result(slot: Int32) -> Int32
}
