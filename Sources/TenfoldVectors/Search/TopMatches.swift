// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The best matches seen so far, at most a fixed number of them.
///
/// A binary heap with the worst on top: O(log *k*) to take one in, O(1) to turn one away. Better is a higher score,
/// or at equal scores the lower id, so the outcome does not depend on the order in which matches come.
package struct TopMatches {
  private let limit: Int
  private var heap: [VectorMatch] = []

  /// Creates an empty collection.
  ///
  /// - Parameter limit: How many matches it keeps; 1 or more.
  package init(limit: Int) {
    self.limit = max(1, limit)
    heap.reserveCapacity(min(self.limit, 1024))
  }

  /// Offers a match; NaN is turned away.
  package mutating func offer(id: UInt64, score: Float) {
    if heap.count < limit {
      guard !score.isNaN else { return }
      heap.append(VectorMatch(id: id, score: score))
      siftUp()
    } else {
      // False for NaN too.
      guard score >= heap[0].score else { return }
      let match = VectorMatch(id: id, score: score)
      guard Self.isWorse(heap[0], than: match) else { return }
      heap[0] = match
      siftDown()
    }
  }

  /// The matches, best first.
  package var sorted: [VectorMatch] { heap.sorted { Self.isWorse($1, than: $0) } }

  private static func isWorse(_ lhs: VectorMatch, than rhs: VectorMatch) -> Bool {
    lhs.score != rhs.score ? lhs.score < rhs.score : lhs.id > rhs.id
  }

  private mutating func siftUp() {
    var child = heap.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard Self.isWorse(heap[child], than: heap[parent]) else { return }
      heap.swapAt(child, parent)
      child = parent
    }
  }

  private mutating func siftDown() {
    var parent = 0
    while true {
      var worst = parent
      for child in (2 * parent + 1)...(2 * parent + 2)
      where child < heap.count && Self.isWorse(heap[child], than: heap[worst]) {
        worst = child
      }
      if worst == parent { return }
      heap.swapAt(parent, worst)
      parent = worst
    }
  }
}
