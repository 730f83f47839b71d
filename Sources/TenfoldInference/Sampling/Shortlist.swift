// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The likeliest tokens, of which one is drawn.
///
/// They are cut off by rank without being sorted: at a high temperature there are a hundred thousand of them, and sorting
/// those takes longer than a pass through a small model. What is cut off is found as Hoare's quickselect finds it, with the sum
/// of the weights in place of the count.
struct Shortlist {
  struct Candidate: Equatable {
    var token: Int
    var weight: Float

    static func isBefore(_ a: Self, _ b: Self) -> Bool {
      a.weight > b.weight || (a.weight == b.weight && a.token < b.token)
    }
  }

  /// As few are sorted.
  private static let few = 48

  /// In no particular order.
  private(set) var candidates: [Candidate]

  init(_ candidates: [Candidate]) { self.candidates = candidates }

  /// The sum of all weights.
  var sum: Double { Self.sum(candidates[...]) }

  /// Keeps the likeliest so many.
  ///
  /// - Complexity: O(*n*) on average.
  mutating func keep(_ count: Int) {
    guard count < candidates.count else { return }
    _ = rank { rank, _ in rank >= count }
    candidates.removeLast(candidates.count - max(0, count))
  }

  /// Keeps the likeliest that together reach `mass`, at least one.
  ///
  /// - Complexity: O(*n*) on average.
  mutating func keep(reaching mass: Double) {
    let count = rank { _, sum in sum >= mass }
    candidates.removeLast(candidates.count - min(max(1, count), candidates.count))
  }

  /// Keeps those of at least a weight.
  mutating func keep(atLeast weight: Float) { candidates.removeAll { $0.weight < weight } }

  /// The token at which the weights, added up from the likeliest on, exceed `mass`; the last one if they don't.
  ///
  /// - Complexity: O(*n*) on average.
  mutating func token(beyond mass: Double) -> Int? {
    let count = rank { _, sum in sum > mass }
    return candidates.isEmpty ? nil : candidates[min(max(1, count), candidates.count) - 1].token
  }

  /// How many of the likeliest it takes until `isReached`, which is given their number and the sum of their weights.
  ///
  /// It puts those in front, the least likely of them last.
  ///
  /// - Returns: The number; all, if it is not reached.
  private mutating func rank(until isReached: (Int, Double) -> Bool) -> Int {
    var (low, high, before) = (0, candidates.count, 0.0)
    while high - low > Self.few {
      let middle = partition(low..<high)
      let sum = before + Self.sum(candidates[low..<middle])
      if isReached(middle, sum) { high = middle } else { (low, before) = (middle, sum) }
    }
    candidates[low..<high].sort(by: Candidate.isBefore)
    for index in low..<high {
      before += Double(candidates[index].weight)
      if isReached(index + 1, before) { return index + 1 }
    }
    return high
  }

  /// Puts the likelier ones of a range in front.
  ///
  /// - Returns: Where the others begin; neither part is empty.
  private mutating func partition(_ range: Range<Int>) -> Int {
    let (first, last) = (range.lowerBound, range.upperBound - 1)
    let pivot = [candidates[first], candidates[(first + last) / 2], candidates[last]]
      .sorted(by: Candidate.isBefore)[1]
    var (low, high) = (first, last)
    while true {
      // The pivot stops both, as no two candidates are alike.
      while Candidate.isBefore(candidates[low], pivot) { low += 1 }
      while Candidate.isBefore(pivot, candidates[high]) { high -= 1 }
      guard low < high else { return low }
      candidates.swapAt(low, high)
      low += 1
      high -= 1
    }
  }

  private static func sum(_ candidates: ArraySlice<Candidate>) -> Double {
    candidates.reduce(0) { $0 + Double($1.weight) }
  }
}
