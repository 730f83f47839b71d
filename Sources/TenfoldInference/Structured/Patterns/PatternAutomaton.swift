// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// A pattern as a network of scalars, so that several of them, and limits of length, can be kept at once.
///
/// As the specification wants it, a pattern that isn't anchored matches anywhere: what may stand before and after is part
/// of the network.
struct PatternAutomaton {
  private enum Node {
    /// A scalar of a set, then another place.
    case scalar(ScalarSet, next: Int32)
    /// Any of several places.
    case fork([Int32])
    /// Another place if nothing was read so far.
    case start(next: Int32)
    /// Another place if nothing follows.
    case end(next: Int32)
    case match
  }

  /// What can come next at a place.
  struct Following {
    /// Whether the text may end here.
    var isMatch = false
    /// A scalar of a set, then another place.
    var steps: [(set: ScalarSet, next: Int32)] = []
  }

  private var nodes: [Node] = []
  /// For each place, whether a text that goes on from it can match.
  private var isLive: [Bool] = []
  /// Where a text begins.
  private(set) var first: Int32 = 0
  private let builder: GrammarBuilder

  /// - Parameters:
  ///   - expression: What the pattern is made of.
  ///   - builder: Counts the work.
  /// - Throws: `RequestError` with code `unsupportedFormat` if it is too much.
  init(_ expression: PatternSyntax.Expression, _ builder: GrammarBuilder) throws(RequestError) {
    self.builder = builder
    let match = try add(.match)
    let after = try loop(then: match) { (automaton, loop) throws(RequestError) in
      try automaton.add(.scalar(.all, next: loop))
    }
    let pattern = try node(expression, then: after)
    first = try loop(then: pattern) { (automaton, loop) throws(RequestError) in
      try automaton.add(.scalar(.all, next: loop))
    }
    isLive = try liveNodes()
  }

  /// What can come next.
  ///
  /// - Parameters:
  ///   - place: The place.
  ///   - isStart: Whether nothing was read so far.
  /// - Returns: The steps to other places, those with the same destination taken together.
  /// - Throws: `RequestError` with code `unsupportedFormat` if finding it is too much work.
  func following(_ place: Int32, isStart: Bool) throws(RequestError) -> Following {
    struct Visit: Hashable {
      var node: Int32
      /// Whether nothing may be read any more.
      var isEnd: Bool
    }
    var result = Following()
    var steps: [Int32: Int] = [:]
    var seen: Set<Visit> = []
    var open = [Visit(node: place, isEnd: false)]
    while let visit = open.popLast() {
      try builder.spend(1)
      guard seen.insert(visit).inserted else { continue }
      switch nodes[Int(visit.node)] {
      case .scalar(let set, let next):
        guard !visit.isEnd, isLive[Int(next)] else { continue }
        if let known = steps[next] {
          try builder.spend(set.ranges.count + result.steps[known].set.ranges.count)
          result.steps[known].set = result.steps[known].set.union(set)
        } else {
          steps[next] = result.steps.count
          result.steps.append((set, next))
        }
      case .fork(let options):
        try builder.spend(options.count)
        open += options.map { Visit(node: $0, isEnd: visit.isEnd) }
      case .start(let next): if isStart { open.append(Visit(node: next, isEnd: visit.isEnd)) }
      case .end(let next): open.append(Visit(node: next, isEnd: true))
      case .match: result.isMatch = true
      }
    }
    return result
  }

  // MARK: - Making the network

  /// Builds from the end to the beginning, as ``GrammarBuilder`` does.
  private mutating func node(
    _ expression: PatternSyntax.Expression,
    then next: Int32
  ) throws(RequestError) -> Int32 {
    switch expression {
    case .scalars(let set): return try add(.scalar(set, next: next))
    case .start: return try add(.start(next: next))
    case .end: return try add(.end(next: next))
    case .sequence(let parts):
      var node = next
      for part in parts.reversed() { node = try self.node(part, then: node) }
      return node
    case .choice(let options):
      var places: [Int32] = []
      for option in options { places.append(try node(option, then: next)) }
      return try add(.fork(places))
    case .repeated(let body, let minimum, let maximum):
      var place = next
      if let maximum {
        for _ in minimum..<maximum {
          let once = try node(body, then: place)
          // A body without places, asked once only: nested it would double the work at each level.
          guard once != place else { return place }
          place = try add(.fork([once, next]))
        }
      } else {
        place = try loop(then: next) { (automaton, loop) throws(RequestError) in
          try automaton.node(body, then: loop)
        }
      }
      for _ in 0..<minimum {
        let once = try node(body, then: place)
        guard once != place else { break }
        place = once
      }
      return place
    }
  }

  private mutating func loop(
    then next: Int32,
    _ body: (inout Self, Int32) throws(RequestError) -> Int32
  ) throws(RequestError) -> Int32 {
    let loop = try add(.fork([]))
    nodes[Int(loop)] = .fork([try body(&self, loop), next])
    return loop
  }

  private mutating func add(_ node: Node) throws(RequestError) -> Int32 {
    try builder.spend(1)
    if case .fork(let options) = node { try builder.spend(options.count) }
    nodes.append(node)
    return Int32(nodes.count - 1)
  }

  /// Looks at the places again until nothing changes; as most lead to earlier ones, that is soon.
  private func liveNodes() throws(RequestError) -> [Bool] {
    var live = [Bool](repeating: false, count: nodes.count)
    var isChanged = true
    while isChanged {
      isChanged = false
      try builder.spend(nodes.count)
      for (index, node) in nodes.enumerated() where !live[index] {
        live[index] =
          switch node {
          case .scalar(let set, let next): !set.isEmpty && live[Int(next)]
          case .fork(let options): options.contains { live[Int($0)] }
          // A text that goes on has begun.
          case .start: false
          case .end(let next): live[Int(next)]
          case .match: true
          }
        isChanged = isChanged || live[index]
      }
    }
    return live
  }
}
