// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The given answers as a tree of tokens, and the probability of each from the logits at its forks.
///
/// At a fork the model's probabilities are restricted to the tokens that lead on; an answer's probability is the
/// product along its path. Where only one token leads on nothing needs to be computed, so answers that differ in their
/// first token need the logits after the prompt and nothing else.
struct ChoiceTrie: Sendable {
  /// A place where answers part: the tokens from the prompt's end to it.
  struct Fork: Sendable, Equatable {
    let path: [Int32]
    /// The tokens that lead on, in ascending order.
    let tokens: [Int32]
  }

  /// The tokens of each answer, with the end token where another answer goes on.
  private let paths: [[Int32]]
  private var logProbabilities: [Double]
  /// The forks whose logits are still to be seen, in depth-first order, so that neighbours share long prefixes.
  private(set) var forks: [Fork]

  /// - Parameters:
  ///   - choices: The tokens of each answer; none is empty and no two are equal.
  ///   - endToken: What the model says at the end of an answer.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/invalidOption`` if an answer is the beginning of another and
  ///   there is no end token to tell them apart.
  init(choices: [[Int32]], endToken: Int32?) throws(ModelError) {
    let known = Set(choices)
    var paths: [[Int32]] = []
    for choice in choices {
      let isPrefix = known.contains { $0.count > choice.count && $0.starts(with: choice) }
      guard !isPrefix || endToken != nil else {
        throw ModelError(
          .invalidOption,
          "One of the choices is the beginning of another, and the model has no end token; reword the choices."
        )
      }
      paths.append(isPrefix ? choice + [endToken].compactMap { $0 } : choice)
    }
    self.paths = paths
    logProbabilities = Array(repeating: 0, count: choices.count)
    var next: [[Int32]: Set<Int32>] = [:]
    for path in paths {
      for depth in path.indices { next[Array(path[..<depth]), default: []].insert(path[depth]) }
    }
    // The first fork is always the prompt's end, so that a prompt is computed even for a single answer.
    forks =
      next.filter { $0.value.count > 1 || $0.key.isEmpty }
      .map { Fork(path: $0.key, tokens: $0.value.sorted()) }
      .sorted { $0.path.lexicographicallyPrecedes($1.path) }
  }

  /// The longest answer in tokens.
  var longestPath: Int { paths.reduce(0) { max($0, $1.count) } }

  /// Accounts for the first of ``forks`` and removes it.
  ///
  /// - Parameter logits: The logits of the fork's tokens, in their order.
  mutating func resolve(_ logits: [Float]) {
    let fork = forks.removeFirst()
    let largest = Double(logits.max() ?? 0)
    let total = logits.reduce(0.0) { $0 + exponential(Double($1) - largest) }
    for (token, logit) in zip(fork.tokens, logits) {
      let logProbability = Double(logit) - largest - logarithm(total)
      for (index, path) in paths.enumerated()
      where path.count > fork.path.count && path[fork.path.count] == token && path.starts(with: fork.path) {
        logProbabilities[index] += logProbability
      }
    }
  }

  /// The probability of each answer, adding up to 1, once ``forks`` is empty.
  var probabilities: [Double] {
    let values = logProbabilities.map { exponential($0) }
    let total = values.reduce(0, +)
    return values.map { $0 / total }
  }

  /// The log probability of an answer divided by its number of tokens.
  func meanLogProbability(of index: Int) -> Double { logProbabilities[index] / Double(paths[index].count) }

  /// How many tokens an answer has.
  func tokenCount(of index: Int) -> Int { paths[index].count }

  /// Picks an answer: the likeliest at temperature 0 (the first of equals), else at random with probabilities raised
  /// to 1 / temperature.
  func pick(temperature: Float, random: inout SamplerRandom) -> Int {
    var best = 0
    for index in logProbabilities.indices where logProbabilities[index] > logProbabilities[best] {
      best = index
    }
    guard temperature > 0 else { return best }
    let weights = logProbabilities.map { exponential(($0 - logProbabilities[best]) / Double(temperature)) }
    var left = random.unit() * weights.reduce(0, +)
    for (index, weight) in weights.enumerated() {
      left -= weight
      if left < 0 { return index }
    }
    return best
  }
}
