// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

extension JSONValueGrammar {
  /// Where a text is in each of several patterns, and how many scalars it has as far as that matters.
  private struct Place: Hashable {
    var nodes: [Int32]
    var count: Int
    var isStart: Bool
  }

  /// A string that matches all of some patterns and has so many scalars.
  ///
  /// Each scalar has one spelling: it stands there as it is, or with its shortest escape where JSON wants one. A place of
  /// the text is a rule that ends with a call of the next one's, so that places can lead back to each other.
  ///
  /// - Parameters:
  ///   - patterns: The patterns, at least one.
  ///   - minimum: The fewest scalars.
  ///   - maximum: The most scalars, or `nil`.
  ///   - next: What follows the string.
  /// - Returns: The string's beginning; a dead end if nothing matches.
  /// - Throws: `RequestError` with code `unsupportedFormat` if it takes too much work or too many places.
  func string(
    matching patterns: [PatternAutomaton],
    _ minimum: Int,
    _ maximum: Int?,
    then next: Int32
  ) throws(RequestError) -> Int32 {
    var rules: [Place: Int32] = [:]
    var open: [(place: Place, rule: Int32)] = []
    func rule(of place: Place) -> Int32 {
      if let known = rules[place] { return known }
      let rule = builder.declareRule()
      rules[place] = rule
      open.append((place, rule))
      return rule
    }
    let start = rule(of: Place(nodes: patterns.map(\.first), count: 0, isStart: true))
    while let (place, number) = open.popLast() {
      var isMatch = place.count >= minimum
      var steps: [(set: ScalarSet, nodes: [Int32])] = [(.all, [])]
      for (pattern, node) in zip(patterns, place.nodes) {
        let following = try pattern.following(node, isStart: place.isStart)
        isMatch = isMatch && following.isMatch
        var longer: [(set: ScalarSet, nodes: [Int32])] = []
        for step in steps {
          for own in following.steps {
            try builder.spend(step.set.ranges.count + own.set.ranges.count)
            let common = step.set.intersection(own.set)
            if !common.isEmpty { longer.append((common, step.nodes + [own.next])) }
          }
        }
        steps = longer
      }
      var options: [Int32] = isMatch ? [builder.end] : []
      if place.count < maximum ?? .max {
        // Without a limit above only whether the text is long enough matters.
        let count = maximum == nil ? min(place.count + 1, minimum) : place.count + 1
        for step in steps {
          let target = rule(of: Place(nodes: step.nodes, count: count, isStart: false))
          options.append(try scalar(of: step.set, then: builder.call(target, then: builder.end)))
        }
      }
      builder.define(number, try builder.oneOf(options))
    }
    let close = try builder.literal("\"", then: next)
    return try builder.literal("\"", then: builder.call(start, then: close))
  }

  /// What stands in a string as it is.
  private static let plain = ScalarSet([0x20...0x21, 0x23...0x5B, 0x5D...0x10FFFF])
  /// The most ranges that are written out at each place; other sets are rules of their own.
  private static let smallSet = 3

  /// One scalar of a set, plain or escaped.
  private func scalar(of set: ScalarSet, then next: Int32) throws(RequestError) -> Int32 {
    let isSimple = set.ranges.count <= Self.smallSet && (set.ranges.last?.upperBound ?? 0) < 0x80
    if isSimple, set.intersection(Self.plain) == set { return try builder.scalar(set.ranges, then: next) }
    if let known = scalarRules[set] { return try builder.call(known, then: next) }
    let rule = builder.declareRule()
    scalarRules[set] = rule
    let plain = try builder.scalar(set.intersection(Self.plain).ranges, then: builder.end)
    let escaped = try escapes(of: set.intersection(Self.plain.inverted), then: builder.end)
    builder.define(rule, try builder.oneOf([plain] + escaped))
    return try builder.call(rule, then: next)
  }

  /// The shortest escapes of scalars that need one; none if there are no such scalars.
  private func escapes(of set: ScalarSet, then next: Int32) throws(RequestError) -> [Int32] {
    let letters: [UInt32: String] = [
      0x22: "\"", 0x5C: "\\", 0x08: "b", 0x09: "t", 0x0A: "n", 0x0C: "f", 0x0D: "r",
    ]
    var options: [Int32] = []
    for value in set.ranges.joined() {
      let digits = String(value, radix: 16)
      let code = "u" + String(repeating: "0", count: 4 - digits.count) + digits
      options.append(try builder.literal(letters[value] ?? code, then: next))
    }
    return options.isEmpty ? [] : [try builder.literal("\\", then: builder.oneOf(options))]
  }
}
