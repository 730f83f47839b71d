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
  /// The answers in the order of their tokens, so that those that begin alike are neighbours.
  private let order: [Int]
  /// For each of ``forks`` and each of its tokens, the answers in ``order`` that go on with it.
  private var branches: [[Range<Int>]]

  /// - Parameters:
  ///   - choices: The tokens of each answer; none is empty and no two are equal.
  ///   - endToken: What the model says at the end of an answer.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/invalidOption`` if an answer is the beginning of another and
  ///   there is no end token to tell them apart.
  /// - Complexity: O(*n* log *k*) in all tokens of *k* answers, in time; in memory O(*n*).
  init(choices: [[Int32]], endToken: Int32?) throws(ModelError) {
    let sorted = choices.indices.sorted { choices[$0].lexicographicallyPrecedes(choices[$1]) }
    var paths = choices
    for (index, next) in zip(sorted, sorted.dropFirst()) {
      // What begins others begins the one after it.
      let (choice, follower) = (choices[index], choices[next])
      guard follower.count > choice.count, follower.starts(with: choice) else { continue }
      guard let endToken else {
        throw ModelError(
          .invalidOption,
          "One of the choices is the beginning of another, and the model has no end token; reword the choices."
        )
      }
      paths[index].append(endToken)
    }
    self.paths = paths
    logProbabilities = Array(repeating: 0, count: choices.count)
    order = paths.indices.sorted { paths[$0].lexicographicallyPrecedes(paths[$1]) }
    var open = OpenForks(paths, order)
    let found = open.all()
    forks = found.map(\.fork)
    branches = found.map(\.branches)
  }

  /// Finds the forks of answers in their order: neighbours part where their common beginning ends.
  private struct OpenForks {
    /// A place that the answers looked at last have in common.
    private struct Place {
      let depth: Int
      /// The first answer with this beginning.
      let first: Int
      /// The tokens that lead on, and the first answer of each.
      var tokens: [Int32] = []
      var starts: [Int] = []

      mutating func add(_ token: Int32, from start: Int) {
        tokens.append(token)
        starts.append(start)
      }
    }

    private let paths: [[Int32]]
    private let order: [Int]
    /// From the prompt's end to the deepest.
    private var places: [Place] = []
    private var found: [(fork: Fork, branches: [Range<Int>])] = []

    init(_ paths: [[Int32]], _ order: [Int]) {
      self.paths = paths
      self.order = order
    }

    mutating func all() -> [(fork: Fork, branches: [Range<Int>])] {
      for index in order.indices.dropLast() { part(index) }
      if let last = order.indices.last { close(to: 0, at: last) }
      // The first fork is always the prompt's end, so that a prompt is computed even for a single answer.
      if places.isEmpty, let token = order.first.flatMap({ paths[$0].first }) {
        places.append(Place(depth: 0, first: 0, tokens: [token], starts: [0]))
      }
      if let root = places.popLast() { note(root, end: order.count) }
      return found.sorted { $0.fork.path.lexicographicallyPrecedes($1.fork.path) }
    }

    /// Looks at where an answer and the one after it part.
    private mutating func part(_ index: Int) {
      let (path, next) = (paths[order[index]], paths[order[index + 1]])
      var depth = 0
      while depth < path.count, depth < next.count, path[depth] == next[depth] { depth += 1 }
      let first = close(to: depth, at: index)
      if places.last?.depth != depth {
        var place = Place(depth: depth, first: first)
        if depth < path.count { place.add(path[depth], from: first) }
        places.append(place)
      }
      if depth < next.count { places[places.count - 1].add(next[depth], from: index + 1) }
    }

    /// Leaves the places that are deeper than `depth`, of which an answer is the last.
    ///
    /// - Returns: The first answer of the shallowest of them, or that answer.
    @discardableResult
    private mutating func close(to depth: Int, at index: Int) -> Int {
      var first = index
      while let place = places.last, place.depth > depth {
        places.removeLast()
        note(place, end: index + 1)
        first = place.first
      }
      return first
    }

    private mutating func note(_ place: Place, end: Int) {
      guard place.tokens.count > 1 || place.depth == 0 else { return }
      let fork = Fork(path: Array(paths[order[place.first]].prefix(place.depth)), tokens: place.tokens)
      let ends = place.starts.dropFirst() + [end]
      found.append((fork, zip(place.starts, ends).map { $0..<$1 }))
    }
  }

  /// The longest answer in tokens.
  var longestPath: Int { paths.reduce(0) { max($0, $1.count) } }

  /// Accounts for the first of ``forks`` and removes it.
  ///
  /// - Parameter logits: The logits of the fork's tokens, in their order.
  mutating func resolve(_ logits: [Float]) {
    forks.removeFirst()
    let largest = Double(logits.max() ?? 0)
    let total = logits.reduce(0.0) { $0 + exponential(Double($1) - largest) }
    for (branch, logit) in zip(branches.removeFirst(), logits) {
      let logProbability = Double(logit) - largest - logarithm(total)
      for index in order[branch] { logProbabilities[index] += logProbability }
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
