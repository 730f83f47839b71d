// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// Reads the small grammar language of `ResponseFormat.grammar(_:)`.
///
/// ```
/// # An answer, a score and the reasons for it.
/// root   ::= answer ", score " [1-9] [0-9]? reason{1,3}
/// answer ::= "yes" | "no"
/// reason ::= "\n- " [^\n]+
/// ```
struct GrammarText {
  /// What a rule is made of.
  private indirect enum Expression {
    case literal(String)
    case scalars([ClosedRange<UInt32>])
    case reference(String)
    case sequence([Expression])
    case choice([Expression])
    case repeated(Expression, Int, Int?)
  }

  private static let maximumDepth = 64

  private let scalars: [Unicode.Scalar]
  private var index = 0

  /// The grammar of a text.
  ///
  /// - Parameter text: The rules; the one called `root` is the whole answer's.
  /// - Returns: The grammar.
  /// - Throws: `RequestError` with code `invalidOption` for a text that does not follow the language,
  ///   `unsatisfiableFormat` if no answer follows the rules, `unsupportedFormat` if they are left-recursive, too large, or
  ///   take too much work.
  static func grammar(_ text: String) throws(RequestError) -> Grammar {
    var parser = GrammarText(text)
    let rules = try parser.rules()
    let builder = GrammarBuilder()
    var numbers: [String: Int32] = ["root": builder.declareRule()]
    for rule in rules where rule.name != "root" { numbers[rule.name] = builder.declareRule() }
    guard rules.contains(where: { $0.name == "root" }) else {
      throw RequestError(.invalidOption, "responseFormat's grammar has no rule called root.")
    }
    for rule in rules {
      guard let number = numbers[rule.name] else { continue }
      builder.define(number, try node(rule.body, numbers, builder, then: builder.end))
    }
    return try builder.finish()
  }

  private init(_ text: String) { scalars = Array(text.unicodeScalars) }

  private static func node(
    _ expression: Expression,
    _ rules: [String: Int32],
    _ builder: GrammarBuilder,
    then next: Int32
  ) throws(RequestError) -> Int32 {
    try builder.spend(1)
    switch expression {
    case .literal(let text): return try builder.literal(text, then: next)
    case .scalars(let ranges): return try builder.scalar(ranges, then: next)
    case .reference(let name):
      guard let rule = rules[name] else {
        throw RequestError(.invalidOption, "responseFormat's grammar refers to '\(name)', which is no rule.")
      }
      return try builder.call(rule, then: next)
    case .sequence(let parts):
      var node = next
      for part in parts.reversed() { node = try self.node(part, rules, builder, then: node) }
      return node
    case .choice(let options):
      var nodes: [Int32] = []
      for option in options { nodes.append(try node(option, rules, builder, then: next)) }
      return try builder.oneOf(nodes)
    case .repeated(let part, let minimum, let maximum):
      return try builder.repeated(minimum, maximum, then: next) { (next) throws(RequestError) in
        try node(part, rules, builder, then: next)
      }
    }
  }

  // MARK: - Reading

  private mutating func rules() throws(RequestError) -> [(name: String, body: Expression)] {
    var rules: [(name: String, body: Expression)] = []
    var names: Set<String> = []
    skipSpace(overLines: true)
    while index < scalars.count {
      let name = try self.name()
      guard names.insert(name).inserted else { throw invalid("the rule '\(name)' stands there twice") }
      skipSpace(overLines: false)
      for scalar in "::=".unicodeScalars {
        guard take(scalar) else { throw invalid("'::=' is expected after '\(name)'") }
      }
      rules.append((name, try choice(depth: 0)))
      skipSpace(overLines: true)
    }
    return rules
  }

  private mutating func choice(depth: Int) throws(RequestError) -> Expression {
    guard depth < Self.maximumDepth else {
      throw invalid("groups are nested deeper than \(Self.maximumDepth)")
    }
    var options: [Expression] = []
    repeat {
      skipSpace(overLines: true)
      options.append(try sequence(depth: depth))
    } while take("|")
    return options.count == 1 ? options[0] : .choice(options)
  }

  private mutating func sequence(depth: Int) throws(RequestError) -> Expression {
    var parts: [Expression] = []
    while true {
      skipSpace(overLines: depth > 0)
      // A rule goes on over lines that begin with a bar.
      if depth == 0, continuesWithBar() { skipSpace(overLines: true) }
      guard index < scalars.count, !Self.isEnd(scalars[index]) else { break }
      parts.append(try repeated(try item(depth: depth)))
    }
    return parts.count == 1 ? parts[0] : .sequence(parts)
  }

  private mutating func item(depth: Int) throws(RequestError) -> Expression {
    if take("(") {
      let group = try choice(depth: depth + 1)
      guard take(")") else { throw invalid("')' is expected") }
      return group
    }
    if take("\"") {
      var text = String.UnicodeScalarView()
      while !take("\"") { text.append(try character()) }
      return .literal(String(text))
    }
    if take("[") { return .scalars(try characterClass()) }
    return .reference(try name())
  }

  private mutating func repeated(_ item: Expression) throws(RequestError) -> Expression {
    if take("*") { return .repeated(item, 0, nil) }
    if take("+") { return .repeated(item, 1, nil) }
    if take("?") { return .repeated(item, 0, 1) }
    guard take("{") else { return item }
    let minimum = try count()
    var maximum: Int? = minimum
    if take(",") {
      maximum = nil
      if index < scalars.count, scalars[index] != "}" { maximum = try count() }
    }
    guard take("}"), minimum <= maximum ?? .max else { throw invalid("a count is wrong, as in {2,5}") }
    return .repeated(item, minimum, maximum)
  }

  private mutating func count() throws(RequestError) -> Int {
    var digits = ""
    while index < scalars.count, digits.utf8.count < 6 {
      guard case "0"..."9" = scalars[index] else { break }
      digits.unicodeScalars.append(scalars[index])
      index += 1
    }
    guard let count = Int(digits) else { throw invalid("a count of at most six digits is expected") }
    return count
  }

  private mutating func characterClass() throws(RequestError) -> [ClosedRange<UInt32>] {
    let isNegated = take("^")
    var ranges: [ClosedRange<UInt32>] = []
    while !take("]") {
      let first = try character().value
      var last = first
      if index + 1 < scalars.count, scalars[index] == "-", scalars[index + 1] != "]" {
        index += 1
        last = try character().value
      }
      guard first <= last else { throw invalid("a range of characters is upside down") }
      ranges.append(first...last)
    }
    return isNegated ? ScalarSet(ranges).inverted.ranges : ranges
  }

  private mutating func character() throws(RequestError) -> Unicode.Scalar {
    guard index < scalars.count, scalars[index] != "\n" else {
      throw invalid("a text or a class does not end")
    }
    let scalar = scalars[index]
    index += 1
    guard scalar == "\\" else { return scalar }
    guard index < scalars.count else { throw invalid("an escape is expected") }
    let escape = scalars[index]
    index += 1
    switch escape {
    case "n": return "\n"
    case "r": return "\r"
    case "t": return "\t"
    case "\\", "\"", "[", "]", "-", "^": return escape
    default: throw invalid("the escape '\\\(escape)' is unknown")
    }
  }

  private mutating func name() throws(RequestError) -> String {
    var name = String.UnicodeScalarView()
    while index < scalars.count, Self.isNamePart(scalars[index]) {
      name.append(scalars[index])
      index += 1
    }
    guard !name.isEmpty else { throw invalid("a rule's name, a text, a class or a group is expected") }
    return String(name)
  }

  private static func isEnd(_ scalar: Unicode.Scalar) -> Bool {
    scalar == "|" || scalar == ")" || scalar == "\n"
  }

  private static func isNamePart(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "a"..."z", "A"..."Z", "0"..."9", "-", "_": true
    default: false
    }
  }

  private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
    guard index < scalars.count, scalars[index] == scalar else { return false }
    index += 1
    return true
  }

  private mutating func skipSpace(overLines: Bool) {
    while index < scalars.count {
      switch scalars[index] {
      case " ", "\t", "\r": index += 1
      case "\n" where overLines: index += 1
      case "#": while index < scalars.count, scalars[index] != "\n" { index += 1 }
      default: return
      }
    }
  }

  /// Whether only space and comments stand before a bar on a later line.
  private func continuesWithBar() -> Bool {
    var copy = self
    copy.skipSpace(overLines: true)
    return copy.index < scalars.count && scalars[copy.index] == "|"
  }

  private func invalid(_ reason: String) -> RequestError {
    RequestError(.invalidOption, "responseFormat's grammar is wrong: \(reason), at character \(index).")
  }
}
