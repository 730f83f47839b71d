// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import TenfoldInference

@Suite("A shortlist")
struct ShortlistTests {
  @Test("is cut off and drawn from as if it were sorted", arguments: 0..<60)
  func property(seed: UInt64) {
    var random = SamplerRandom(seed: seed)
    let count = Int.random(in: 1...3_000, using: &random)
    // Whole numbers, whose sums are exact in any order; few of them, so that many are equal.
    let kinds = Int.random(in: 1...400, using: &random)
    let candidates = (0..<count).map { token in
      Shortlist.Candidate(token: token, weight: Float(Int.random(in: 1...kinds, using: &random)))
    }
    let sorted = candidates.sorted { ($1.weight, $0.token) < ($0.weight, $1.token) }
    var shuffled = candidates
    shuffled.shuffle(using: &random)

    func tokens(_ list: Shortlist) -> [Int] { list.candidates.map(\.token).sorted() }
    func prefix(_ count: Int) -> [Int] { sorted.prefix(count).map(\.token).sorted() }
    let k = Int.random(in: 1...count + 5, using: &random)
    var list = Shortlist(shuffled)
    list.keep(k)
    #expect(tokens(list) == prefix(k), "seed \(seed)")

    list = Shortlist(shuffled)
    let mass = Double(Int.random(in: 1...Int(list.sum), using: &random))
    list.keep(reaching: mass)
    var (needed, sum) = (0, 0.0)
    while sum < mass {
      sum += Double(sorted[needed].weight)
      needed += 1
    }
    #expect(tokens(list) == prefix(needed), "seed \(seed)")

    list.keep(atLeast: 2)
    #expect(list.candidates.allSatisfy { $0.weight >= 2 }, "seed \(seed)")

    list = Shortlist(shuffled)
    let place = Double(Int.random(in: 0..<Int(list.sum), using: &random))
    var (index, before) = (0, Double(sorted[0].weight))
    while before <= place {
      index += 1
      before += Double(sorted[index].weight)
    }
    #expect(list.token(beyond: place) == sorted[index].token, "seed \(seed)")
  }

  @Test("keeps one at least, and gives the last where the sum is not reached")
  func ends() {
    var list = Shortlist([.init(token: 4, weight: 1), .init(token: 2, weight: 0.5)])
    #expect(list.token(beyond: 7) == 2)
    list.keep(reaching: 0)
    #expect(list.candidates.map(\.token) == [4])
    list.keep(atLeast: 2)
    #expect(list.token(beyond: 0) == nil)
  }
}
