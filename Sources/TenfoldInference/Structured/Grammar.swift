// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A context-free grammar over bytes as a network: what may come next at each place, and where that leads.
///
/// A rule is a part of the network that is entered by a call and left at its end, so rules may call themselves. The
/// network is immutable and shared by all requests with the same format.
struct Grammar: Sendable {
  /// A place in the network.
  enum Node: Sendable, Equatable {
    /// One byte of a range, then another place.
    case bytes(low: UInt8, high: UInt8, next: Int32)
    /// Any of several places.
    case fork([Int32])
    /// A whole rule, then another place.
    case call(rule: Int32, next: Int32)
    /// The end of a rule.
    case end
  }

  /// A distance that no text covers.
  static let unreachable = Int.max / 4
  /// Longer ways don't count: no context holds such an answer, and rules that double each other grow without bound.
  private static let longestWay = 1 << 16

  let nodes: [Node]
  /// Where each rule begins; the first is the whole text's.
  let rules: [Int32]
  /// For each place, the bytes of the shortest way to its rule's end.
  let distances: [Int]

  /// - Parameters:
  ///   - nodes: The places; indices in them are valid.
  ///   - rules: Where each rule begins, at least one.
  init(nodes: [Node], rules: [Int32]) {
    self.nodes = nodes
    self.rules = rules
    distances = Self.distances(nodes, rules)
  }

  /// The bytes of the shortest text, at least ``unreachable`` if there is none.
  var shortest: Int { distances[Int(rules[0])] }

  /// The shortest way from a place to the end of its rule.
  func shortestText(from node: Int32) -> [UInt8] {
    var text: [UInt8] = []
    var returns: [Int32] = []
    var node = node
    while true {
      switch nodes[Int(node)] {
      case .bytes(let low, _, let next):
        text.append(low)
        node = next
      case .fork(let options):
        // A place without options is never entered: its distance is unreachable.
        guard let best = options.min(by: { distances[Int($0)] < distances[Int($1)] }) else { return text }
        node = best
      case .call(let rule, let next):
        returns.append(next)
        node = rules[Int(rule)]
      case .end:
        guard let next = returns.popLast() else { return text }
        node = next
      }
    }
  }

  /// Whether some rule can come to itself before any byte; such a grammar can't be followed from left to right.
  var isLeftRecursive: Bool {
    // 0: not seen, 1: being followed, 2: done.
    var marks = [UInt8](repeating: 0, count: rules.count)
    for rule in rules.indices where visit(rule, &marks) { return true }
    return false
  }

  /// Follows what a rule can begin with, depth first but without recursion; true when it comes back to itself.
  private func visit(_ first: Int, _ marks: inout [UInt8]) -> Bool {
    guard marks[first] == 0 else { return false }
    var path: [(rule: Int, next: [Int])] = [(first, beginnings(of: first))]
    marks[first] = 1
    while let last = path.indices.last {
      guard let next = path[last].next.popLast() else {
        marks[path[last].rule] = 2
        path.removeLast()
        continue
      }
      if marks[next] == 1 { return true }
      guard marks[next] == 0 else { continue }
      marks[next] = 1
      path.append((next, beginnings(of: next)))
    }
    return false
  }

  /// The rules that can be called before a rule's first byte.
  private func beginnings(of rule: Int) -> [Int] {
    var found: Set<Int> = []
    var seen: Set<Int32> = []
    var open = [rules[rule]]
    while let node = open.popLast() {
      guard seen.insert(node).inserted else { continue }
      switch nodes[Int(node)] {
      case .bytes, .end: break
      case .fork(let options): open += options
      case .call(let called, let next):
        found.insert(Int(called))
        if distances[Int(rules[Int(called)])] == 0 { open.append(next) }
      }
    }
    return Array(found)
  }

  /// Distances from the ends backwards: a place is looked at again when one it leads to has come nearer.
  private static func distances(_ nodes: [Node], _ rules: [Int32]) -> [Int] {
    func successors(_ node: Node) -> [Int32] {
      switch node {
      case .bytes(_, _, let next): [next]
      case .fork(let options): options
      case .call(let rule, let next): [rules[Int(rule)], next]
      case .end: []
      }
    }
    var predecessors = [[Int32]](repeating: [], count: nodes.count)
    var open: [Int32] = []
    for (index, node) in nodes.enumerated() {
      for next in successors(node) { predecessors[Int(next)].append(Int32(index)) }
      if node == .end { open.append(Int32(index)) }
    }
    var distances = [Int](repeating: unreachable, count: nodes.count)
    var head = 0
    while head < open.count {
      let index = Int(open[head])
      head += 1
      let distance =
        switch nodes[index] {
        case .bytes(_, _, let next): 1 + distances[Int(next)]
        case .fork(let options): options.map { distances[Int($0)] }.min() ?? unreachable
        case .call(let rule, let next): distances[Int(rules[Int(rule)])] + distances[Int(next)]
        case .end: 0
        }
      guard distance < distances[index], distance <= longestWay else { continue }
      distances[index] = distance
      open += predecessors[index]
    }
    return distances
  }
}
