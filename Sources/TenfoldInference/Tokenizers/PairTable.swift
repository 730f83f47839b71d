// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Merge rules in an open-addressing table: (left symbol, right symbol) → rank, and from there the merged symbol.
///
/// Where a rule is looked up it takes 8 bytes, which keeps the 150,000 rules of a large vocabulary in 2 MiB; what it merges
/// into lies apart, because only the rule that wins needs it.
struct PairTable: MergeRules, Sendable {
  struct Rule {
    /// Symbols below ``symbolLimit``.
    var left: Int32
    var right: Int32
    /// Below ``noRank``.
    var rank: UInt32
    /// The symbol that the two become.
    var result: Int32
  }

  /// Symbols are smaller: 20 bits, less the one that marks free slots.
  static let symbolLimit = 1 << 20 - 1
  /// The rank of a pair without a rule; those of rules are smaller.
  static let noRank: UInt32 = 1 << 24 - 1

  /// Left (20 bits), right (20), rank (24).
  private var slots: [UInt64]
  private var results: [Int32]
  private let mask: Int
  private let shift: UInt64
  private static let free = UInt64.max

  /// Makes the table; of several rules for a pair the first counts.
  init(_ rules: [Rule]) {
    var bits: UInt64 = 8
    // At most three fifths are taken.
    while (1 << bits) * 3 < rules.count * 5 { bits += 1 }
    slots = Array(repeating: Self.free, count: 1 << bits)
    results = Array(repeating: -1, count: 1 << bits)
    mask = 1 << bits - 1
    shift = 64 - bits
    // By the highest bits of their hashes.
    let sorted = rules.sorted(intoParts: 256) { rule in
      Int(truncatingIfNeeded: Self.hash(Self.pair(rule.left, rule.right)) >> 56)
    }
    for rule in sorted { insert(rule) }
  }

  private mutating func insert(_ rule: Rule) {
    let pair = Self.pair(rule.left, rule.right)
    var index = start(pair)
    while slots[index] != Self.free {
      if slots[index] >> 24 == pair { return }
      index = (index + 1) & mask
    }
    slots[index] = pair << 24 | UInt64(rule.rank)
    results[index] = rule.result
  }

  /// Whether two symbols can have a rule: those beyond the limit, negative ones among them, take part in none.
  @inline(__always)
  static func canMerge(_ left: Int32, _ right: Int32) -> Bool {
    UInt32(bitPattern: left | right) <= UInt32(symbolLimit)
  }

  /// Two symbols as one number of 40 bits.
  @inline(__always)
  static func pair(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 20 | UInt64(UInt32(bitPattern: right))
  }

  /// A number whose highest bits depend on both symbols.
  @inline(__always)
  static func hash(_ pair: UInt64) -> UInt64 { pair &* 0x9e37_79b9_7f4a_7c15 }

  @inline(__always)
  private func start(_ pair: UInt64) -> Int { Int(truncatingIfNeeded: Self.hash(pair) >> shift) }

  /// The rank of a pair's rule, or ``noRank``, and its slot for ``result(slot:)``.
  @inline(__always)
  func rule(_ left: Int32, _ right: Int32) -> (rank: UInt32, slot: Int32) {
    guard Self.canMerge(left, right) else { return (Self.noRank, 0) }
    let pair = Self.pair(left, right)
    var index = start(pair)
    while true {
      let slot = slots[index]
      if slot >> 24 == pair {
        return (UInt32(truncatingIfNeeded: slot) & Self.noRank, Int32(truncatingIfNeeded: index))
      }
      if slot == Self.free { return (Self.noRank, 0) }
      index = (index + 1) & mask
    }
  }

  /// The symbol that a rule merges its pair into.
  @inline(__always)
  func result(slot: Int32) -> Int32 { results[Int(slot)] }
}
