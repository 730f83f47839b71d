// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Keeps the best scores seen; equal scores rank by lower index, NaN never ranks.
///
/// ```swift
/// var best = TopK(capacity: 10)
/// best.offer(scores.span, firstIndex: 0)
/// let hits = best.sorted()
/// ```
public struct TopK: Sendable {
  /// A score and where it stood.
  public struct Hit: Hashable, Sendable {
    /// The position in the sequence of scores.
    public let index: Int
    /// The score.
    public let score: Float

    /// Creates a hit.
    public init(index: Int, score: Float) {
      self.index = index
      self.score = score
    }

    /// Whether this hit ranks behind the other.
    fileprivate func isBehind(_ other: Hit) -> Bool {
      score != other.score ? score < other.score : index > other.index
    }
  }

  /// The number of hits kept.
  public let capacity: Int
  /// A heap whose first element ranks last.
  private var heap: [Hit] = []

  /// Creates an empty selection.
  ///
  /// - Parameter capacity: The number of hits to keep; 0 or less keeps none.
  public init(capacity: Int) {
    self.capacity = max(0, capacity)
    heap.reserveCapacity(min(self.capacity, 4_096))
  }

  /// The number of hits held.
  public var count: Int { heap.count }

  /// The score that a new hit must beat, once the selection is full.
  public var floor: Float? { heap.count == capacity ? heap.first?.score : nil }

  /// Offers a run of scores.
  ///
  /// - Parameters:
  ///   - scores: Any scores.
  ///   - firstIndex: The index of the first.
  /// - Complexity: O(*n* + *m* log *k*) where *m* scores enter the selection.
  public mutating func offer(_ scores: Span<Float>, firstIndex: Int = 0) {
    guard capacity > 0 else { return }
    var offset = 0
    while offset < scores.count, heap.count < capacity {
      offer(scores[offset], index: firstIndex + offset)
      offset += 1
    }
    guard offset < scores.count, var floor = heap.first?.score else { return }
    while offset < scores.count {
      let score = scores[offset]
      if score >= floor {
        offer(score, index: firstIndex + offset)
        floor = heap[0].score
      }
      offset += 1
    }
  }

  /// Offers one score.
  ///
  /// - Parameters:
  ///   - score: Ignored when it is NaN.
  ///   - index: Its position.
  public mutating func offer(_ score: Float, index: Int) {
    guard capacity > 0, !score.isNaN else { return }
    let hit = Hit(index: index, score: score)
    if heap.count < capacity {
      heap.append(hit)
      siftUp(heap.count - 1)
    } else if heap[0].isBehind(hit) {
      heap[0] = hit
      siftDown()
    }
  }

  /// The hits, best first.
  ///
  /// - Returns: At most ``capacity`` hits.
  public func sorted() -> [Hit] { heap.sorted { $1.isBehind($0) } }

  private mutating func siftUp(_ start: Int) {
    var child = start
    while child > 0, heap[child].isBehind(heap[(child - 1) / 2]) {
      heap.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  private mutating func siftDown() {
    var parent = 0
    while 2 * parent + 1 < heap.count {
      var child = 2 * parent + 1
      if child + 1 < heap.count, heap[child + 1].isBehind(heap[child]) { child += 1 }
      guard heap[child].isBehind(heap[parent]) else { return }
      heap.swapAt(child, parent)
      parent = child
    }
  }
}
