// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import HeapModule

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
    var tokenCounts: [Int]
    /// The first text that no step has taken.
    var next = 0
    /// Tokens of texts that no step has taken.
    var left: Int
  }

  /// The turn of a request with texts that no step has taken.
  private struct Turn: Comparable {
    /// Tokens that steps have taken, beside what it had a right to when it came.
    var served: Int
    /// Of those with as many the one that came first is next.
    var arrival: UInt64
    var id: UInt64

    static func < (a: Self, b: Self) -> Bool { (a.served, a.arrival) < (b.served, b.arrival) }
  }

  /// The most tokens of a step, unless one text alone has more.
  let stepTokens: Int
  /// The most tokens that wait; one call counts for half of it at most, so that a large one leaves room for small ones.
  let waitingLimit: Int
  /// Tokens that wait for a step.
  private(set) var waitingTokens = 0
  /// Requests with texts that no step has taken.
  private var waiting: [UInt64: Request] = [:]
  /// A turn for each of them, and some of requests that were removed, but not first.
  private var turns = Heap<Turn>()
  private var arrivals: UInt64 = 0
  /// ``waitingTokens``, of which no request counts for more than half of the limit.
  private var countedTokens = 0
  /// Texts of each request that are not finished.
  private var unfinished: [UInt64: Int] = [:]

  init(stepTokens: Int, waitingLimit: Int) {
    self.stepTokens = stepTokens
    self.waitingLimit = waitingLimit
  }

  /// Whether nothing waits.
  var isEmpty: Bool { waiting.isEmpty }

  /// What a request with so many tokens counts for.
  private func counted(_ tokens: Int) -> Int { min(tokens, waitingLimit / 2) }

  /// Whether a request with so many tokens would be taken now.
  func takes(_ tokens: Int) -> Bool { waiting.isEmpty || tokens <= waitingLimit - countedTokens }

  /// Adds a request.
  ///
  /// - Returns: False when too much waits already; a request larger than the limit is taken when nothing waits.
  /// - Complexity: O(*n*) in its texts, and O(log *n*) in the requests.
  mutating func add(_ id: UInt64, tokenCounts: [Int]) -> Bool {
    let tokens = tokenCounts.reduce(0, +)
    guard takes(tokens) else { return false }
    // One without texts has nothing to wait for; its caller never asks.
    if !tokenCounts.isEmpty {
      arrivals += 1
      turns.insert(Turn(served: turns.min?.served ?? 0, arrival: arrivals, id: id))
      waiting[id] = Request(tokenCounts: tokenCounts, left: tokens)
      countedTokens += counted(tokens)
    }
    waitingTokens += tokens
    unfinished[id] = tokenCounts.count
    return true
  }

  /// Takes the texts of the next step; empty when nothing waits.
  ///
  /// - Complexity: O(log *n*) in the requests for each text.
  mutating func nextStep() -> [Item] {
    var items: [Item] = []
    var room = stepTokens
    while var turn = turns.min, var request = waiting[turn.id] {
      let count = request.tokenCounts[request.next]
      // What does not fit is first in the next step.
      guard count <= room || items.isEmpty else { break }
      items.append(Item(request: turn.id, index: request.next))
      countedTokens += counted(request.left - count) - counted(request.left)
      request.next += 1
      request.left -= count
      // An empty text has a cost too.
      turn.served += max(1, count)
      waitingTokens -= count
      room -= count
      let isTaken = request.next == request.tokenCounts.count
      waiting[turn.id] = isTaken ? nil : request
      turns.removeMin()
      if !isTaken { turns.insert(turn) }
      dropRemoved()
    }
    return items
  }

  /// Drops the turns of removed requests that would be next.
  private mutating func dropRemoved() {
    while let turn = turns.min, waiting[turn.id] == nil { turns.removeMin() }
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
    guard let request = waiting.removeValue(forKey: id) else { return }
    waitingTokens -= request.left
    countedTokens -= counted(request.left)
    dropRemoved()
  }
}
