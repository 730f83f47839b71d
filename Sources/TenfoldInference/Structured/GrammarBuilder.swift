// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// Builds a grammar's network from its ends to its beginnings: every method takes the place that follows.
final class GrammarBuilder {
  /// The most places of a network; schemas with large limits need many.
  static let maximumNodes = 1 << 17
  /// The most steps of making a network: parts that are read, options of forks, names that are told apart.
  ///
  /// What adds places takes a few for each of them; only a format that adds none however long it is worked on, or forks
  /// of tens of thousands of ways at each place, needs more.
  static let maximumWork = 8 * maximumNodes

  private var nodes: [Grammar.Node] = [.end]
  private var rules: [Int32] = []
  /// The steps so far.
  private(set) var work = 0

  /// The end of every rule.
  let end: Int32 = 0

  /// The finished grammar.
  ///
  /// - Throws: `RequestError` with code `unsatisfiableFormat` if no text follows the grammar, or `unsupportedFormat` if
  ///   it can't be followed from left to right, or asks for a longer text than any answer has.
  func finish() throws(RequestError) -> Grammar {
    let grammar = Grammar(nodes: nodes, rules: rules, work: work)
    guard !grammar.isCut else {
      throw RequestError(
        .unsupportedFormat,
        """
        A part of responseFormat has no answer of \(Grammar.longestWay) bytes or less; lower its limits on lengths and \
        counts.
        """
      )
    }
    guard grammar.shortest < Grammar.unreachable else {
      throw RequestError(.unsatisfiableFormat, "responseFormat allows no answer at all; loosen its limits.")
    }
    guard !grammar.isLeftRecursive else {
      throw RequestError(
        .unsupportedFormat,
        "A rule of responseFormat refers to itself before any text; put some text before the reference."
      )
    }
    return grammar
  }

  /// Counts steps of work.
  ///
  /// - Throws: `RequestError` with code `unsupportedFormat` if there were too many.
  func spend(_ steps: Int) throws(RequestError) {
    // No sum overflows: each is at most the limit and the length of a list in memory.
    work += steps
    guard work <= Self.maximumWork else {
      throw RequestError(
        .unsupportedFormat,
        "responseFormat takes too much work for what it allows; repeat and nest less, and list fewer alternatives."
      )
    }
  }

  // MARK: - Rules

  /// A new rule without contents; the first one is the whole text.
  func declareRule() -> Int32 {
    rules.append(end)
    return Int32(rules.count - 1)
  }

  /// Says where a rule begins.
  func define(_ rule: Int32, _ start: Int32) { rules[Int(rule)] = start }

  /// A new rule that begins at a place.
  func rule(_ start: Int32) -> Int32 {
    let rule = declareRule()
    define(rule, start)
    return rule
  }

  // MARK: - Places

  /// A whole rule.
  func call(_ rule: Int32, then next: Int32) throws(RequestError) -> Int32 {
    try add(.call(rule: rule, next: next))
  }

  /// These very bytes.
  func literal(_ text: String, then next: Int32) throws(RequestError) -> Int32 {
    var node = next
    for byte in text.utf8.reversed() { node = try add(.bytes(low: byte, high: byte, next: node)) }
    return node
  }

  /// Any of several places; without options it is a dead end.
  func oneOf(_ options: [Int32]) throws(RequestError) -> Int32 {
    if options.count == 1 { return options[0] }
    return try add(.fork(options))
  }

  /// A place or what follows it.
  func optional(_ node: Int32, then next: Int32) throws(RequestError) -> Int32 { try oneOf([node, next]) }

  /// One byte of a range.
  func byte(_ range: ClosedRange<UInt8>, then next: Int32) throws(RequestError) -> Int32 {
    try add(.bytes(low: range.lowerBound, high: range.upperBound, next: next))
  }

  /// One scalar of some ranges, as UTF-8; surrogates in them are left out.
  func scalar(_ ranges: [ClosedRange<UInt32>], then next: Int32) throws(RequestError) -> Int32 {
    var options: [Int32] = []
    for sequence in ranges.flatMap(UTF8Ranges.sequences) {
      var node = next
      for range in sequence.reversed() { node = try byte(range, then: node) }
      options.append(node)
    }
    return try oneOf(options)
  }

  /// `body` at least `minimum` and at most `maximum` times, or without limit.
  ///
  /// A body that adds no place, such as an empty text, is not repeated: it would change nothing however often.
  func repeated(
    _ minimum: Int,
    _ maximum: Int?,
    then next: Int32,
    _ body: (Int32) throws(RequestError) -> Int32
  ) throws(RequestError) -> Int32 {
    if let maximum, maximum < minimum { return try oneOf([]) }
    var node = next
    if let maximum {
      for _ in minimum..<maximum {
        let once = try body(node)
        // Asked once only: where such bodies are nested, a second time at each level would double the work.
        guard once != node else { return node }
        node = try optional(once, then: next)
      }
    } else {
      let loop = try add(.fork([]))
      // The way out first: where the body may be empty both are equally short, and only that one leads on.
      nodes[Int(loop)] = .fork([next, try body(loop)])
      node = loop
    }
    for _ in 0..<minimum {
      let once = try body(node)
      guard once != node else { break }
      node = once
    }
    return node
  }

  /// A place that leads back to itself: `body` gets it and says where it leads.
  func loop(_ body: (Int32) throws(RequestError) -> [Int32]) throws(RequestError) -> Int32 {
    let loop = try add(.fork([]))
    nodes[Int(loop)] = .fork(try body(loop))
    return loop
  }

  private func add(_ node: Grammar.Node) throws(RequestError) -> Int32 {
    guard nodes.count < Self.maximumNodes else {
      throw RequestError(
        .unsupportedFormat,
        "responseFormat needs more than \(Self.maximumNodes) states; lower its limits on lengths and counts."
      )
    }
    if case .fork(let options) = node { try spend(options.count) }
    try spend(1)
    nodes.append(node)
    return Int32(nodes.count - 1)
  }
}
