// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import Testing

@testable import TenfoldInference

@Suite("Merging symbols")
struct SymbolMergerTests {
  /// Rules that count how often they are asked.
  private struct CountingRules: MergeRules {
    final class Count { var lookups = 0 }
    var rules: MemoizedPairs
    let count = Count()

    mutating func rule(_ left: Int32, _ right: Int32) -> (rank: UInt32, slot: Int32) {
      count.lookups += 1
      return rules.rule(left, right)
    }

    func result(slot: Int32) -> Int32 { rules.result(slot: slot) }
  }

  /// Doubling: two of a symbol make the next one.
  private static let doubling = PairTable(
    (0..<16 as Range<Int32>).map { PairTable.Rule(left: $0, right: $0, rank: UInt32($0), result: $0 + 1) }
  )

  @Test("merging looks pairs up three times a symbol", arguments: [1, 2, 31, 32, 33, 64, 1_000, 65_536])
  func lookups(_ count: Int) {
    var merger = SymbolMerger()
    merger.symbols = Array(repeating: 0, count: count)
    var rules = CountingRules(rules: MemoizedPairs(Self.doubling))
    let left = merger.merge(&rules)
    // Of a length's binary digits the highest go first.
    var expected = [Int32](repeating: 16, count: count >> 16)
    for bit in (0..<16).reversed() where count >> bit & 1 == 1 { expected.append(Int32(bit)) }
    #expect(Array(merger.symbols[..<left]) == expected)
    #expect(rules.count.lookups <= 3 * count)
  }

  @Test("merges random symbols in the order of the definition", arguments: [1, 2, 3] as [UInt64])
  func order(_ seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let table = PairTable(
      (0..<200).map { _ in
        PairTable.Rule(
          left: Int32.random(in: 0..<20, using: &generator),
          right: Int32.random(in: 0..<20, using: &generator),
          rank: UInt32.random(in: 0..<40, using: &generator),
          result: Int32.random(in: 0..<20, using: &generator)
        )
      }
    )
    var rules = MemoizedPairs(table)
    var merger = SymbolMerger()
    for count in [2, 5, 32, 33, 40, 100, 64, 3, 5_000, 50] {
      // Negative symbols and those beyond the limit take part in no rule.
      let symbols = (0..<count).map { _ in
        Int.random(in: 0..<8, using: &generator) == 0
          ? ([-1, 1 << 30, .max] as [Int32]).randomElement(using: &generator)!
          : Int32.random(in: 0..<20, using: &generator)
      }
      merger.symbols = symbols
      let left = merger.merge(&rules)
      #expect(Array(merger.symbols[..<left]) == Self.plain(symbols, table), "seed \(seed), \(count) symbols")
    }
  }

  private static func plain(_ symbols: [Int32], _ table: PairTable) -> [Int32] {
    var symbols = symbols
    while true {
      let ranks = zip(symbols, symbols.dropFirst()).map { table.rule($0, $1).rank }
      guard let best = ranks.min(), best < PairTable.noRank, let place = ranks.firstIndex(of: best) else {
        return symbols
      }
      symbols[place] = table.result(slot: table.rule(symbols[place], symbols[place + 1]).slot)
      symbols.remove(at: place + 1)
    }
  }
}
