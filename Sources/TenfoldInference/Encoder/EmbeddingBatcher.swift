// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Decides which texts of which callers share a step: first come, first served, within a budget of tokens.
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
  }

  /// The most tokens of a step, unless one text alone has more.
  let stepTokens: Int
  /// The most tokens that wait.
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

  /// Adds a request.
  ///
  /// - Returns: False when too much waits already; a request larger than the limit is taken when nothing waits.
  mutating func add(_ id: UInt64, tokenCounts: [Int]) -> Bool {
    let tokens = tokenCounts.reduce(0, +)
    guard waiting.isEmpty || tokens <= waitingLimit - waitingTokens else { return false }
    waiting.append(Request(id: id, tokenCounts: tokenCounts))
    waitingTokens += tokens
    unfinished[id] = tokenCounts.count
    return true
  }

  /// Takes the texts of the next step; empty when nothing waits.
  mutating func nextStep() -> [Item] {
    var items: [Item] = []
    var room = stepTokens
    var done = 0
    search: for position in waiting.indices {
      while waiting[position].next < waiting[position].tokenCounts.count {
        let count = waiting[position].tokenCounts[waiting[position].next]
        guard count <= room || items.isEmpty else { break search }
        items.append(Item(request: waiting[position].id, index: waiting[position].next))
        waiting[position].next += 1
        waitingTokens -= count
        room -= count
      }
      done += 1
    }
    waiting.removeFirst(done)
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
    let request = waiting.remove(at: position)
    waitingTokens -= request.tokenCounts[request.next...].reduce(0, +)
  }
}
