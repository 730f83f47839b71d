// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Merge rules, with the answers for the pairs asked for lately kept side by side.
///
/// Few pairs make up most lookups, also those that have no rule. In a ``PairTable`` of megabytes each of them takes a cache
/// line of its own; 8,192 answers of 12 bytes fit the second-level cache together.
struct MemoizedPairs: MergeRules, Sendable {
  private static let bits: UInt64 = 13
  private let table: PairTable
  /// The pairs as in the table, with the rank of those without a rule too.
  private var answers = [UInt64](repeating: .max, count: 1 << MemoizedPairs.bits)
  private var slots = [Int32](repeating: 0, count: 1 << MemoizedPairs.bits)

  init(_ table: PairTable) { self.table = table }

  @inline(__always)
  mutating func rule(_ left: Int32, _ right: Int32) -> (rank: UInt32, slot: Int32) {
    guard PairTable.canMerge(left, right) else { return (PairTable.noRank, 0) }
    let pair = PairTable.pair(left, right)
    let index = Int(truncatingIfNeeded: PairTable.hash(pair) >> (64 - Self.bits))
    let answer = answers[index]
    if answer >> 24 == pair {
      return (UInt32(truncatingIfNeeded: answer) & PairTable.noRank, slots[index])
    }
    let rule = table.rule(left, right)
    answers[index] = pair << 24 | UInt64(rule.rank)
    slots[index] = rule.slot
    return rule
  }

  @inline(__always)
  func result(slot: Int32) -> Int32 { table.result(slot: slot) }
}
