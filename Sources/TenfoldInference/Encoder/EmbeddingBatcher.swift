// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Decides which texts of which calls share a step, within a budget of tokens.
///
/// Calls take turns: the one that has had the fewest tokens since it came goes next, so that a question does not wait
/// until a whole library is embedded. A call that comes later starts level with the one that is furthest behind.
///
/// A pure state machine: it knows numbers of tokens only and neither waits nor computes.
struct EmbeddingBatcher {
  /// One text of a step.
  struct Item: Hashable {
    var request: UInt64
    var index: Int
  }

  private struct Request {
    var id: UInt64
    var tokenCounts: [Int]
    /// The first text that no step has taken.
    var next = 0
    /// Tokens of texts that no step has taken.
    var left: Int
    /// Tokens that steps have taken, beside what it had a right to when it came.
    var served: Int
  }

  /// The most tokens of a step, unless one text alone has more.
  let stepTokens: Int
  /// The most tokens that wait; one call counts for half of it at most, so that a large one leaves room for small ones.
  let waitingLimit: Int
  /// Tokens that wait for a step.
  private(set) var waitingTokens = 0
  private var waiting: [Request] = []
  /// Texts of each request that are not finished.
  private var unfinished: [UInt64: Int] = [:]

  init(stepTokens: Int, waitingLimit: Int) {
    self.stepTokens = stepTokens
    self.waitingLimit = waitingLimit
  }

  /// Whether nothing waits.
  var isEmpty: Bool { waiting.isEmpty }

  private var countedTokens: Int {
    waiting.reduce(0) { $0 + min($1.left, waitingLimit / 2) }
  }

  /// Adds a request.
  ///
  /// - Returns: False when too much waits already; a request larger than the limit is taken when nothing waits.
  mutating func add(_ id: UInt64, tokenCounts: [Int]) -> Bool {
    let tokens = tokenCounts.reduce(0, +)
    guard waiting.isEmpty || tokens <= waitingLimit - countedTokens else { return false }
    // One without texts has nothing to wait for; its caller never asks.
    if !tokenCounts.isEmpty {
      let served = waiting.map(\.served).min() ?? 0
      waiting.append(Request(id: id, tokenCounts: tokenCounts, left: tokens, served: served))
    }
    waitingTokens += tokens
    unfinished[id] = tokenCounts.count
    return true
  }

  /// Takes the texts of the next step; empty when nothing waits.
  mutating func nextStep() -> [Item] {
    var items: [Item] = []
    var room = stepTokens
    while let position = waiting.indices.min(by: { waiting[$0].served < waiting[$1].served }) {
      let request = waiting[position]
      let count = request.tokenCounts[request.next]
      // What does not fit is first in the next step.
      guard count <= room || items.isEmpty else { break }
      items.append(Item(request: request.id, index: request.next))
      waiting[position].next += 1
      waiting[position].left -= count
      // An empty text has a cost too.
      waiting[position].served += max(1, count)
      waitingTokens -= count
      room -= count
      if waiting[position].next == request.tokenCounts.count { waiting.remove(at: position) }
    }
    return items
  }

  /// Notes that a step's texts have their vectors.
  ///
  /// - Returns: The requests that are complete, in order.
  mutating func finish(_ items: [Item]) -> [UInt64] {
    var complete: [UInt64] = []
    for item in items {
      guard let left = unfinished[item.request] else { continue }
      unfinished[item.request] = left > 1 ? left - 1 : nil
      if left <= 1 { complete.append(item.request) }
    }
    return complete
  }

  /// Forgets a request: its waiting texts are never computed.
  mutating func remove(_ id: UInt64) {
    unfinished[id] = nil
    guard let position = waiting.firstIndex(where: { $0.id == id }) else { return }
    waitingTokens -= waiting.remove(at: position).left
  }
}
