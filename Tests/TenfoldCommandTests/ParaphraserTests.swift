// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Tenfold
import Testing

@testable import TenfoldCommand

@Suite("Paraphraser")
struct ParaphraserTests {
  @Test("changes the form, never numbers, names or negations")
  func content() throws {
    let seed = UInt64.random(in: .min ... .max)
    var generator = SeededGenerator(seed: seed)
    for claim in try SciFactDataset().claims.map(\.text) {
      let other = Paraphraser().paraphrase(claim, using: &generator)
      #expect(other != claim, "seed \(seed)")
      for word in claim.split(whereSeparator: { !$0.isLetter && !$0.isNumber })
      where word.contains(where: \.isNumber) || ["not", "no", "without"].contains(word) {
        #expect(other.lowercased().contains(word.lowercased()), "seed \(seed): \(claim) → \(other)")
      }
    }
  }

  @Test("keeps the case of an acronym at the start")
  func acronym() {
    for seed in 0..<20 {
      var generator = SeededGenerator(seed: UInt64(seed))
      #expect(Paraphraser().paraphrase("DNA binds.", using: &generator).contains("DNA binds"))
    }
  }

  @Test("a quote stays whole in any frame")
  func quotes() {
    for seed in 0..<20 {
      var generator = SeededGenerator(seed: UInt64(seed))
      let other = Paraphraser().frame("In 12 patients the", using: &generator)
      #expect(other.contains("In 12 patients the") && other != "In 12 patients the")
    }
  }
}
