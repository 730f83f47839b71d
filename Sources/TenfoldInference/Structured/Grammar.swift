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
  static let longestWay = 1 << 16

  let nodes: [Node]
  /// Where each rule begins; the first is the whole text's.
  let rules: [Int32]
  /// For each place, the bytes of the shortest way to its rule's end.
  let distances: [Int]
  /// For each fork the first of the nearest ways on; nothing where there is none, and at other places.
  private let nearest: [Int32]
  /// Whether some place has no way to its rule's end but one that is longer than ``longestWay``.
  ///
  /// It is cut off like a place that leads nowhere, so that the grammar says less than it was made of.
  let isCut: Bool
  /// How many steps it took to make the network, and to find its distances.
  let work: Int

  /// - Parameters:
  ///   - nodes: The places; indices in them are valid.
  ///   - rules: Where each rule begins, at least one.
  ///   - work: The steps of making them.
  init(nodes: [Node], rules: [Int32], work: Int = 0) {
    self.nodes = nodes
    self.rules = rules
    let (distances, isCut, visits) = Self.distances(nodes, rules)
    self.distances = distances
    self.isCut = isCut
    // Looked for once, as a shortest text can come through the same fork thousands of times.
    nearest = nodes.map { node in
      guard case .fork(let options) = node else { return -1 }
      return options.min { distances[Int($0)] < distances[Int($1)] } ?? -1
    }
    self.work = work + visits
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
      case .fork:
        // A place without options is never entered: its distance is unreachable.
        guard nearest[Int(node)] >= 0 else { return text }
        node = nearest[Int(node)]
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

  /// Distances from the ends backwards, the nearest places first (Knuth 1977).
  ///
  /// In that order a place's first distance is its last: a fork is as far as the way on that is met first, a call as far
  /// as its two parts once both are known. So every edge is looked at once.
  ///
  /// - Returns: The distances, whether a place has none because it is too far, and how many edges were looked at.
  /// - Complexity: O(*n*) in places, edges and ``longestWay``.
  private static func distances(
    _ nodes: [Node],
    _ rules: [Int32]
  ) -> (distances: [Int], isCut: Bool, visits: Int) {
    let predecessors = Predecessors(nodes, rules)
    var distances = [Int](repeating: unreachable, count: nodes.count)
    // Places by their distance.
    var open: [[Int32]] = [[]]
    for (index, node) in nodes.enumerated() where node == .end {
      distances[index] = 0
      open[0].append(Int32(index))
    }
    // Places that were found too far away by one of their ways; another may be shorter.
    var far: [Int32] = []
    var visits = 0
    var distance = 0
    while distance < open.count {
      var index = 0
      // It grows while it is read, where forks are as far as their ways on.
      while index < open[distance].count {
        for place in predecessors[open[distance][index]] {
          visits += 1
          guard distances[Int(place)] == unreachable else { continue }
          let found =
            switch nodes[Int(place)] {
            case .bytes: distance + 1
            case .fork: distance
            case .call(let rule, let next): distances[Int(rules[Int(rule)])] + distances[Int(next)]
            case .end: 0
            }
          guard found <= longestWay else {
            // A call with a part that isn't reached yet is met again, if it ever is.
            if found < unreachable { far.append(place) }
            continue
          }
          distances[Int(place)] = found
          while open.count <= found { open.append([]) }
          open[found].append(place)
        }
        index += 1
      }
      open[distance] = []
      distance += 1
    }
    return (distances, far.contains { distances[Int($0)] == unreachable }, visits)
  }

  /// The places that lead to each place, once for each way.
  private struct Predecessors {
    private var places: [Int32]
    /// Where each place's list begins; one more than there are places.
    private var starts: [Int]

    init(_ nodes: [Node], _ rules: [Int32]) {
      func forEachWay(_ body: (_ place: Int, _ next: Int) -> Void) {
        for (index, node) in nodes.enumerated() {
          switch node {
          case .bytes(_, _, let next): body(index, Int(next))
          case .fork(let options): for option in options { body(index, Int(option)) }
          case .call(let rule, let next):
            body(index, Int(rules[Int(rule)]))
            body(index, Int(next))
          case .end: break
          }
        }
      }
      var starts = [Int](repeating: 0, count: nodes.count + 1)
      forEachWay { starts[$1 + 1] += 1 }
      for index in 0..<nodes.count { starts[index + 1] += starts[index] }
      var free = starts
      var places = [Int32](repeating: 0, count: starts[nodes.count])
      forEachWay { place, next in
        places[free[next]] = Int32(place)
        free[next] += 1
      }
      self.places = places
      self.starts = starts
    }

    subscript(place: Int32) -> ArraySlice<Int32> { places[starts[Int(place)]..<starts[Int(place) + 1]] }
  }
}
