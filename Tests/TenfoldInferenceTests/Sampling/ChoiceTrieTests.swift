// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import TenfoldInference

@Suite("Given answers")
struct ChoiceTrieTests {
  @Test("that differ in their first token need one look")
  func first() throws {
    var trie = try ChoiceTrie(choices: [[5, 9, 9], [3]], endToken: 0)
    #expect(trie.forks == [.init(path: [], tokens: [3, 5])])
    trie.resolve([1, 3])
    #expect(trie.forks.isEmpty)
    let share = 1 / (1 + exp(2.0))
    #expect(abs(trie.probabilities[0] - (1 - share)) < 1e-12 && abs(trie.probabilities[1] - share) < 1e-12)
    var random = SamplerRandom(seed: 0)
    #expect(trie.pick(temperature: 0, random: &random) == 0)
    #expect(trie.tokenCount(of: 0) == 3)
  }

  @Test("that share a beginning are told apart at each fork")
  func deep() throws {
    // "1 2", "1 2 3" and "1 4", "7": forks after nothing, after 1, and after 1 2, where 0 ends the first.
    var trie = try ChoiceTrie(choices: [[1, 2], [1, 2, 3], [1, 4], [7]], endToken: 0)
    #expect(trie.forks.map(\.path) == [[], [1], [1, 2]])
    #expect(trie.forks.map(\.tokens) == [[1, 7], [2, 4], [0, 3]])
    trie.resolve([log(3), log(1)])
    trie.resolve([log(1), log(1)])
    trie.resolve([log(1), log(4)])
    let expected = [0.75 * 0.5 * 0.2, 0.75 * 0.5 * 0.8, 0.75 * 0.5, 0.25]
    for (a, b) in zip(trie.probabilities, expected) { #expect(abs(a - b) < 1e-6) }
    #expect(abs(trie.probabilities.reduce(0, +) - 1) < 1e-12)
    #expect(trie.longestPath == 3)
  }

  @Test("are equally likely when the logits are, and the first is taken")
  func ties() throws {
    var trie = try ChoiceTrie(choices: [[8], [2], [5]], endToken: 0)
    trie.resolve([-40, -40, -40])
    var random = SamplerRandom(seed: 0)
    #expect(trie.pick(temperature: 0, random: &random) == 0)
    for value in trie.probabilities { #expect(abs(value - 1.0 / 3) < 1e-12) }
  }

  @Test("that begin alike need an end token")
  func noEnd() throws {
    #expect(throws: ModelError.self) { try ChoiceTrie(choices: [[1], [1, 2]], endToken: nil) }
    #expect(try ChoiceTrie(choices: [[1], [2]], endToken: nil).forks.count == 1)
  }

  @Test("far apart keep finite probabilities")
  func extremes() throws {
    var trie = try ChoiceTrie(choices: [[8], [2]], endToken: 0)
    trie.resolve([1e4, -1e4])
    #expect(trie.probabilities == [0, 1])
  }

  @Test("are drawn with their probabilities at temperature 1")
  func drawing() throws {
    var trie = try ChoiceTrie(choices: [[1], [2]], endToken: 0)
    trie.resolve([log(3), 0])
    var random = SamplerRandom(seed: 11)
    let hits = (0..<10_000).filter { _ in trie.pick(temperature: 1, random: &random) == 0 }.count
    #expect(abs(Double(hits) / 10_000 - 0.75) < 0.02)
  }
}
