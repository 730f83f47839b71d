// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Merges the symbols of one word: the pair with the best rank first, the leftmost of equals, until no rule is left.
///
/// Symbols stay where they are, in a list whose links lead over those that were merged away, and each pair has a key, its
/// rank and then its place. Short words look at all keys for each merge. For longer ones the keys are the leaves of a
/// tournament, a binary tree in which each node holds the lower of the two below it, so that a word of *n* symbols takes
/// O(*n* log *n*).
struct SymbolMerger: Sendable {
  /// The most symbols of a word for which looking at all keys is quicker.
  private static let shortCount = 32
  /// Memory for longer words is given back after use.
  private static let keptCount = 4_096
  /// The key of a pair without a rule.
  private static let noKey = UInt64.max

  /// The symbols of the word.
  var symbols: [Int32] = []
  /// For each symbol the place of the one after it.
  private var next: [Int32] = []
  private var previous: [Int32] = []
  /// The slot of the rule of the pair that begins with each symbol.
  private var slots: [Int32] = []
  /// The keys of the pairs by place, or the nodes of the tournament: the first is node 1, those below node *k* are 2 *k* and
  /// 2 *k* + 1, and the second half are the keys.
  private var keys: [UInt64] = []

  /// Forgets the symbols of the word before.
  mutating func removeAll() { symbols.removeAll(keepingCapacity: symbols.capacity <= Self.keptCount) }

  /// Merges the symbols; those that remain are the first ones, as many as it returns.
  mutating func merge(_ rules: inout some MergeRules) -> Int {
    let count = symbols.count
    guard count > 1 else { return count }
    reserve(count)
    guard count > Self.shortCount else {
      return Self.mergeShort(&rules, &symbols, &next, &previous, &slots, &keys)
    }
    let left = Self.mergeLong(&rules, &symbols, &next, &previous, &slots, &keys)
    if count > Self.keptCount { (next, previous, slots, keys) = ([], [], [], []) }
    return left
  }

  private mutating func reserve(_ count: Int) {
    guard next.count < count else { return }
    let leaves = Self.leaves(count)
    next = Array(repeating: 0, count: leaves)
    previous = next
    slots = next
    keys = Array(repeating: 0, count: 2 * leaves)
  }

  /// The leaves of a tournament of that many keys: a power of two.
  private static func leaves(_ count: Int) -> Int {
    var leaves = 2 * shortCount
    while leaves < count { leaves *= 2 }
    return leaves
  }

  private static func mergeShort(
    _ rules: inout some MergeRules,
    _ symbols: inout [Int32],
    _ next: inout [Int32],
    _ previous: inout [Int32],
    _ slots: inout [Int32],
    _ keys: inout [UInt64]
  ) -> Int {
    let count = symbols.count
    var symbols = symbols.mutableSpan
    var next = next.mutableSpan
    var previous = previous.mutableSpan
    var slots = slots.mutableSpan
    var keys = keys.mutableSpan
    for place in 0..<count - 1 { keys[place] = key(&rules, symbols, place, place + 1, &slots) }
    // The last symbol begins no pair.
    keys[count - 1] = noKey
    link(count, &next, &previous)
    while true {
      var best = keys[0]
      for place in 1..<count { best = min(best, keys[place]) }
      guard best != noKey else { break }
      let place = Int(truncatingIfNeeded: best & 0xffff_ffff)
      let (before, after) = unite(
        place,
        rules.result(slot: slots[place]),
        &symbols,
        &next,
        &previous,
        &keys,
        0
      )
      keys[place] = after < count ? key(&rules, symbols, place, after, &slots) : noKey
      if before >= 0 { keys[before] = key(&rules, symbols, before, place, &slots) }
    }
    return gather(&symbols, next)
  }

  private static func mergeLong(
    _ rules: inout some MergeRules,
    _ symbols: inout [Int32],
    _ next: inout [Int32],
    _ previous: inout [Int32],
    _ slots: inout [Int32],
    _ keys: inout [UInt64]
  ) -> Int {
    let count = symbols.count
    let leaves = leaves(count)
    var symbols = symbols.mutableSpan
    var next = next.mutableSpan
    var previous = previous.mutableSpan
    var slots = slots.mutableSpan
    var keys = keys.mutableSpan
    for place in 0..<count - 1 { keys[leaves + place] = key(&rules, symbols, place, place + 1, &slots) }
    for leaf in leaves + count - 1..<2 * leaves { keys[leaf] = noKey }
    for node in stride(from: leaves - 1, to: 0, by: -1) {
      keys[node] = min(keys[2 * node], keys[2 * node + 1])
    }
    link(count, &next, &previous)
    while keys[1] != noKey {
      let place = Int(truncatingIfNeeded: keys[1] & 0xffff_ffff)
      let right = Int(next[place])
      let (before, after) = unite(
        place,
        rules.result(slot: slots[place]),
        &symbols,
        &next,
        &previous,
        &keys,
        leaves
      )
      replay(leaves + right, &keys)
      keys[leaves + place] = after < count ? key(&rules, symbols, place, after, &slots) : noKey
      replay(leaves + place, &keys)
      guard before >= 0 else { continue }
      keys[leaves + before] = key(&rules, symbols, before, place, &slots)
      replay(leaves + before, &keys)
    }
    return gather(&symbols, next)
  }

  /// Puts each symbol after the one before it.
  @inline(__always)
  private static func link(
    _ count: Int,
    _ next: inout MutableSpan<Int32>,
    _ previous: inout MutableSpan<Int32>
  ) {
    for place in 0..<count {
      next[place] = Int32(truncatingIfNeeded: place + 1)
      previous[place] = Int32(truncatingIfNeeded: place - 1)
    }
  }

  /// The key of the pair of two places, whose rule's slot is noted.
  @inline(__always)
  private static func key(
    _ rules: inout some MergeRules,
    _ symbols: borrowing MutableSpan<Int32>,
    _ left: Int,
    _ right: Int,
    _ slots: inout MutableSpan<Int32>
  ) -> UInt64 {
    let rule = rules.rule(symbols[left], symbols[right])
    slots[left] = rule.slot
    return rule.rank == PairTable.noRank ? noKey : UInt64(rule.rank) << 32 | UInt64(truncatingIfNeeded: left)
  }

  /// Replaces a pair by one symbol, and returns the places before and after it: -1 and the number of symbols at the ends.
  @inline(__always)
  private static func unite(
    _ place: Int,
    _ symbol: Int32,
    _ symbols: inout MutableSpan<Int32>,
    _ next: inout MutableSpan<Int32>,
    _ previous: inout MutableSpan<Int32>,
    _ keys: inout MutableSpan<UInt64>,
    _ firstKey: Int
  ) -> (before: Int, after: Int) {
    let right = Int(next[place])
    let after = next[right]
    symbols[place] = symbol
    next[place] = after
    keys[firstKey + right] = noKey
    if Int(after) < symbols.count { previous[Int(after)] = Int32(truncatingIfNeeded: place) }
    return (Int(previous[place]), Int(after))
  }

  /// Plays again what depends on a leaf.
  @inline(__always)
  private static func replay(_ leaf: Int, _ keys: inout MutableSpan<UInt64>) {
    var node = leaf >> 1
    while node > 0 {
      let lower = min(keys[2 * node], keys[2 * node + 1])
      guard lower != keys[node] else { return }
      keys[node] = lower
      node >>= 1
    }
  }

  /// Moves the symbols that are left to the front.
  @inline(__always)
  private static func gather(_ symbols: inout MutableSpan<Int32>, _ next: borrowing MutableSpan<Int32>) -> Int
  {
    var count = 0
    var index = 0
    while index < symbols.count {
      symbols[count] = symbols[index]
      count += 1
      index = Int(next[index])
    }
    return count
  }
}
