// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import TenfoldInference

/// The same tree in the plainest way, with a copy of every beginning.
private struct PlainChoices {
  let paths: [[Int32]]
  var forks: [ChoiceTrie.Fork]
  var logProbabilities: [Double]

  init(_ choices: [[Int32]], endToken: Int32) {
    let paths = choices.map { choice in
      choices.contains { $0.count > choice.count && $0.starts(with: choice) } ? choice + [endToken] : choice
    }
    var next: [[Int32]: Set<Int32>] = [:]
    for path in paths {
      for depth in path.indices { next[Array(path[..<depth]), default: []].insert(path[depth]) }
    }
    self.paths = paths
    forks =
      next.filter { $0.value.count > 1 || $0.key.isEmpty }
      .map { ChoiceTrie.Fork(path: $0.key, tokens: $0.value.sorted()) }
      .sorted { $0.path.lexicographicallyPrecedes($1.path) }
    logProbabilities = Array(repeating: 0, count: choices.count)
  }

  mutating func resolve(_ logits: [Float]) {
    let fork = forks.removeFirst()
    let total = logits.reduce(0) { $0 + exp(Double($1)) }
    for (token, logit) in zip(fork.tokens, logits) {
      for (index, path) in paths.enumerated() where path.starts(with: fork.path + [token]) {
        logProbabilities[index] += Double(logit) - log(total)
      }
    }
  }
}

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

  @Test("part where the plainest construction says, with its probabilities", arguments: 0..<200)
  func plain(seed: UInt64) throws {
    var random = SamplerRandom(seed: seed)
    var choices: [[Int32]] = []
    let letters = Int32.random(in: 1...4, using: &random)
    for _ in 0..<Int.random(in: 1...12, using: &random) {
      // The end token, 0, stands in some answers too.
      let choice = (0..<Int.random(in: 1...6, using: &random)).map { _ in
        Int32.random(in: 0...letters, using: &random)
      }
      if !choices.contains(choice) { choices.append(choice) }
    }
    var trie = try ChoiceTrie(choices: choices, endToken: 0)
    var expected = PlainChoices(choices, endToken: 0)
    #expect(trie.longestPath == expected.paths.map(\.count).max(), "seed \(seed)")
    while let fork = expected.forks.first {
      #expect(trie.forks == expected.forks, "seed \(seed): \(choices)")
      try #require(!trie.forks.isEmpty)
      let logits = fork.tokens.map { _ in Float(random.unit()) * 8 - 4 }
      trie.resolve(logits)
      expected.resolve(logits)
    }
    #expect(trie.forks.isEmpty, "seed \(seed)")
    for (index, path) in expected.paths.enumerated() {
      let mean = expected.logProbabilities[index] / Double(path.count)
      #expect(abs(trie.meanLogProbability(of: index) - mean) < 1e-9, "seed \(seed): \(choices)")
      #expect(trie.tokenCount(of: index) == path.count, "seed \(seed)")
    }
  }

  @Test("of many thousand tokens are kept as they are, and not each of their beginnings")
  func long() throws {
    // Every beginning by itself would take 20 GB.
    let long = (0..<100_000).map { Int32($0 % 97) }
    var trie = try ChoiceTrie(choices: [long, long + [5], [3]], endToken: 1_000)
    #expect(trie.longestPath == 100_001)
    #expect(trie.forks.map(\.path.count) == [0, 100_000])
    #expect(trie.forks.map(\.tokens) == [[0, 3], [5, 1_000]])
    trie.resolve([0, 0])
    trie.resolve([0, 0])
    #expect(trie.probabilities == [0.25, 0.25, 0.5])
    #expect(try ChoiceTrie(choices: [], endToken: 1).forks.isEmpty)
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
