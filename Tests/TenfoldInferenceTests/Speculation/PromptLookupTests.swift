// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import TenfoldInference

@Suite("Prompt lookup")
struct PromptLookupTests {
  @Test("guesses what followed the last tokens earlier, the latest place first")
  func follows() {
    var lookup = PromptLookup()
    let match = lookup.match([1, 2, 3, 4, 9, 1, 2, 5, 6, 1, 2], count: 2)
    #expect(match == .init(draft: [5, 6], length: 2))
  }

  @Test("prefers a longer match to a later one")
  func longest() {
    var lookup = PromptLookup()
    let match = lookup.match([7, 1, 2, 3, 8, 1, 2, 4, 7, 1, 2], count: 1)
    #expect(match == .init(draft: [3], length: 3))
  }

  @Test("goes on with a repetition past its end")
  func repetition() {
    var lookup = PromptLookup()
    #expect(lookup.match([1, 2, 3, 1, 2, 3, 1, 2], count: 7)?.draft == [3, 1, 2, 3, 1, 2, 3])
    var same = PromptLookup()
    #expect(same.match([5, 5, 5], count: 3)?.draft == [5, 5, 5])
  }

  @Test(
    "has nothing to say of tokens that are new",
    arguments: [[], [1], [1, 2], [1, 2, 3, 4]] as [[Int32]]
  )
  func new(tokens: [Int32]) {
    var lookup = PromptLookup()
    #expect(lookup.match(tokens, count: 4) == nil)
  }

  @Test("finds what a search of everything finds, as a sequence grows", arguments: 0..<40)
  func property(seed: UInt64) {
    var random = SamplerRandom(seed: seed)
    let alphabet = Int32.random(in: 3...9, using: &random)
    var lookup = PromptLookup()
    var tokens: [Int32] = []
    for _ in 0..<60 {
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        tokens.append(Int32.random(in: 0..<alphabet, using: &random))
      }
      let match = lookup.match(tokens, count: 5)
      let expected = Self.longest(tokens)
      // Only so many places are compared, so a longer one may be missed, but none is made up.
      #expect((match == nil) == (expected < 2), "seed \(seed), tokens \(tokens)")
      guard let match else { continue }
      #expect(match.length <= min(16, expected), "seed \(seed), tokens \(tokens)")
      let suffix = Array(tokens.suffix(match.length))
      let followed = tokens.indices.contains { end in
        guard end >= match.length, Array(tokens[end - match.length..<end]) == suffix else { return false }
        var text = Array(tokens[end...])
        for index in 0..<5 { text.append(text[index]) }
        return Array(text.prefix(5)) == match.draft
      }
      #expect(followed, "seed \(seed), tokens \(tokens)")
    }
  }

  /// The length of the longest end of the sequence that occurs earlier too.
  private static func longest(_ tokens: [Int32]) -> Int {
    var best = 0
    for end in tokens.indices.dropFirst() {
      var length = 0
      while length < end, tokens[end - 1 - length] == tokens[tokens.count - 1 - length] { length += 1 }
      best = max(best, length)
    }
    return best
  }
}

@Suite("The number of guesses")
struct DraftAcceptanceTests {
  /// Guesses until `chances` have passed; says how many tokens were guessed.
  private func guess(
    _ acceptance: inout DraftAcceptance,
    chances: Int,
    rows: Int = 1,
    isHit: Bool
  ) -> Int {
    var drafted = 0
    for _ in 0..<chances {
      let count = acceptance.draftCount(from: .match(length: 8), besides: rows, limit: 8)
      drafted += count
      guard count > 0 else { continue }
      acceptance.note(.match(length: 8), hits: isHit ? count : 0, isMissed: !isHit)
    }
    return drafted
  }

  @Test("falls to a probe now and then where guesses fail, and comes back when they come true")
  func adapts() {
    var acceptance = DraftAcceptance()
    #expect(acceptance.draftCount(from: .match(length: 8), besides: 1, limit: 8) > 1)
    _ = guess(&acceptance, chances: 100, isHit: false)
    #expect(guess(&acceptance, chances: 320, isHit: false) <= 320 / DraftAcceptance.probeInterval)
    _ = guess(&acceptance, chances: 2_000, isHit: true)
    #expect(guess(&acceptance, chances: 10, isHit: true) == 80)
  }

  @Test("guesses less the more rows a pass has")
  func rows() {
    let counts = [1, 2, 4, 8, 16, 32].map { rows in
      var acceptance = DraftAcceptance()
      acceptance.note(.match(length: 8), hits: 20, isMissed: false)
      return acceptance.draftCount(from: .match(length: 8), besides: rows, limit: 31)
    }
    #expect(counts == counts.sorted(by: >) && counts[0] > counts[3])
  }

  @Test("keeps apart what short and long matches are good for")
  func classes() {
    var acceptance = DraftAcceptance()
    for _ in 0..<40 { acceptance.note(.match(length: 2), hits: 0, isMissed: true) }
    #expect(acceptance.draftCount(from: .match(length: 2), besides: 1, limit: 8) == 0)
    #expect(acceptance.draftCount(from: .match(length: 8), besides: 1, limit: 8) > 0)
    for _ in 0..<40 { acceptance.note(.match(length: 8), hits: 0, isMissed: true) }
    #expect(acceptance.draftCount(from: .format, besides: 1, limit: 8) == 8)
  }

  @Test("never guesses more than it may", arguments: [0, 1, 3, 8])
  func limit(limit: Int) {
    var acceptance = DraftAcceptance()
    acceptance.note(.match(length: 8), hits: 1_000, isMissed: false)
    #expect(acceptance.draftCount(from: .match(length: 8), besides: 1, limit: limit) == limit)
  }
}
