// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldTesting
import Testing

@testable import TenfoldRetrieval

@Suite("Which changes have reached memory")
struct AppliedChangesTests {
  @Test(
    "late changes are dropped, whatever the order, and nothing is remembered of what is complete",
    arguments: 0..<50
  )
  func ordered(seed: Int) {
    var generator = SeededGenerator(seed: UInt64(seed))
    var changes = AppliedChanges(complete: 10)
    // Each change touches a few of nine documents; they arrive within five places of their order.
    let touched = (0..<200).map { _ in
      Set((0..<3).map { _ in UInt64.random(in: 0..<9, using: &generator) })
    }
    let keys = (0..<200).map { Double($0) + Double.random(in: 0..<5, using: &generator) }
    let order = (0..<200).sorted { keys[$0] < keys[$1] }
    var newest: [UInt64: Int64] = [:]
    for change in order {
      let sequence = Int64(11 + change)
      for document in touched[change] {
        let isNews = (newest[document] ?? 0) < sequence
        #expect(changes.accept(document, at: sequence) == isNews, "seed \(seed)")
        if isNews { newest[document] = sequence }
      }
      changes.finish(sequence)
      #expect(changes.rememberedCount <= newest.values.count { $0 > changes.complete }, "seed \(seed)")
    }
    #expect(changes.complete == 210 && changes.rememberedCount == 0, "seed \(seed)")
  }
}
