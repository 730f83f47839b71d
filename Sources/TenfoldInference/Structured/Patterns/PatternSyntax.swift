// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// Reads a schema's `pattern`: the part of ECMA-262's regular expressions that is regular, with Unicode's characters.
///
/// Kept are characters and their escapes, `.`, classes with `\d`, `\w` and `\s`, `^` and `$`, groups, `|`, and the
/// quantifiers `*`, `+`, `?` and `{2,5}`, lazy ones too, as laziness doesn't change what matches. Refused by name are
/// look-around, references back to groups, word boundaries and Unicode properties.
struct PatternSyntax {
  /// What a pattern is made of.
  indirect enum Expression {
    case scalars(ScalarSet)
    case sequence([Expression])
    case choice([Expression])
    case repeated(Expression, Int, Int?)
    /// The text's beginning.
    case start
    /// The text's end.
    case end
  }

  private static let maximumDepth = 64
  private static let digits = ScalarSet([0x30...0x39])
  private static let word = ScalarSet([0x30...0x39, 0x41...0x5A, 0x5F...0x5F, 0x61...0x7A])
  private static let space = ScalarSet([
    0x09...0x0D, 0x20...0x20, 0xA0...0xA0, 0x1680...0x1680, 0x2000...0x200A, 0x2028...0x2029, 0x202F...0x202F,
    0x205F...0x205F, 0x3000...0x3000, 0xFEFF...0xFEFF,
  ])
  /// What `.` matches: all but the ends of lines.
  private static let dot = ScalarSet([0x0A...0x0A, 0x0D...0x0D, 0x2028...0x2029]).inverted

  private let scalars: [Unicode.Scalar]
  private let path: String
  private var index = 0

  /// Reads a pattern.
  ///
  /// - Parameters:
  ///   - pattern: The pattern.
  ///   - path: Where it stands, for people.
  /// - Returns: What it is made of; groups are nested at most 64 deep.
  /// - Throws: `RequestError` with code `invalidOption` for what is no pattern, `unsupportedFormat` for a construct that is
  ///   not kept, which the message names.
  static func parse(_ pattern: String, at path: String) throws(RequestError) -> Expression {
    var parser = Self(scalars: Array(pattern.unicodeScalars), path: path)
    let expression = try parser.choice(depth: 0)
    guard parser.index == parser.scalars.count else { throw parser.invalid("')' stands there without '('") }
    return expression
  }

  private init(scalars: [Unicode.Scalar], path: String) {
    self.scalars = scalars
    self.path = path
  }

  // MARK: - Structure

  private mutating func choice(depth: Int) throws(RequestError) -> Expression {
    guard depth < Self.maximumDepth else { throw unsupported("groups deeper than \(Self.maximumDepth)") }
    var options: [Expression] = []
    repeat {
      var parts: [Expression] = []
      while let next = current, next != "|", next != ")" { parts.append(try term(depth: depth)) }
      options.append(parts.count == 1 ? parts[0] : .sequence(parts))
    } while take("|")
    return options.count == 1 ? options[0] : .choice(options)
  }

  private mutating func term(depth: Int) throws(RequestError) -> Expression {
    if take("^") { return try unrepeated(.start) }
    if take("$") { return try unrepeated(.end) }
    var term: Expression
    if take("(") {
      try group()
      term = try choice(depth: depth + 1)
      guard take(")") else { throw invalid("')' is missing") }
    } else if take("[") {
      term = .scalars(try characterClass())
    } else if take(".") {
      term = .scalars(Self.dot)
    } else if take("\\") {
      term = .scalars(try escape(inClass: false).set)
    } else {
      guard let scalar = current, !"*+?".unicodeScalars.contains(scalar) else {
        throw invalid("there is nothing to repeat")
      }
      if scalar == "{", braces() != nil { throw invalid("there is nothing to repeat") }
      index += 1
      term = .scalars(ScalarSet(scalar))
    }
    if let (minimum, maximum) = try quantifier() { term = .repeated(term, minimum, maximum) }
    return term
  }

  private mutating func unrepeated(_ anchor: Expression) throws(RequestError) -> Expression {
    guard try quantifier() == nil else { throw invalid("an anchor can't be repeated") }
    return anchor
  }

  /// Reads what a group begins with after its parenthesis.
  private mutating func group() throws(RequestError) {
    guard take("?") else { return }
    if take(":") { return }
    if take("=") || take("!") { throw unsupported("a look-ahead") }
    guard take("<") else { throw unsupported("a group that begins with '(?'") }
    if take("=") || take("!") { throw unsupported("a look-behind") }
    // A name; nothing can refer to it.
    let start = index
    while let scalar = current, scalar != ">" || index == start {
      let isPart =
        index == start ? scalar.properties.isIDStart || scalar == "_" : scalar.properties.isIDContinue
      guard isPart || scalar == "$" else { throw invalid("a group's name is wrong") }
      index += 1
    }
    guard take(">") else { throw invalid("a group's name does not end") }
  }

  private mutating func quantifier() throws(RequestError) -> (Int, Int?)? {
    let counts: (Int, Int?)
    if take("*") {
      counts = (0, nil)
    } else if take("+") {
      counts = (1, nil)
    } else if take("?") {
      counts = (0, 1)
    } else if let braces = braces() {
      index = braces.end
      guard let minimum = Int(braces.minimum) else { throw unsupported("a count that is too large") }
      var maximum: Int? = minimum
      if let text = braces.maximum {
        maximum = text.isEmpty ? nil : Int(text)
        guard text.isEmpty || maximum != nil else { throw unsupported("a count that is too large") }
      }
      guard minimum <= maximum ?? .max else { throw invalid("a count's limits are upside down") }
      counts = (minimum, maximum)
    } else {
      return nil
    }
    // A lazy quantifier matches the same texts.
    _ = take("?")
    return counts
  }

  /// A count in braces; `nil` where a brace stands for itself.
  private func braces() -> (minimum: String, maximum: String?, end: Int)? {
    guard current == "{" else { return nil }
    var place = index + 1
    func digits() -> String {
      var text = String.UnicodeScalarView()
      while place < scalars.count, ("0"..."9").contains(scalars[place]) {
        text.append(scalars[place])
        place += 1
      }
      return String(text)
    }
    let minimum = digits()
    guard !minimum.isEmpty, place < scalars.count else { return nil }
    var maximum: String?
    if scalars[place] == "," {
      place += 1
      maximum = digits()
    }
    guard place < scalars.count, scalars[place] == "}" else { return nil }
    return (minimum, maximum, place + 1)
  }

  // MARK: - Characters

  private mutating func characterClass() throws(RequestError) -> ScalarSet {
    let isNegated = take("^")
    var ranges: [ClosedRange<UInt32>] = []
    while !take("]") {
      let first = try classPart()
      guard current == "-", index + 1 < scalars.count, scalars[index + 1] != "]" else {
        ranges += first.set.ranges
        continue
      }
      index += 1
      let last = try classPart()
      guard let low = first.scalar?.value, let high = last.scalar?.value else {
        throw invalid("a range of characters begins or ends with a class")
      }
      guard low <= high else { throw invalid("a range of characters is upside down") }
      ranges.append(low...high)
    }
    let set = ScalarSet(ranges)
    return isNegated ? set.inverted : set
  }

  private mutating func classPart() throws(RequestError) -> (set: ScalarSet, scalar: Unicode.Scalar?) {
    guard let scalar = current else { throw invalid("a class does not end") }
    index += 1
    return scalar == "\\" ? try escape(inClass: true) : (ScalarSet(scalar), scalar)
  }

  /// What stands after a backslash: a class, or a scalar.
  private mutating func escape(
    inClass: Bool
  ) throws(RequestError) -> (set: ScalarSet, scalar: Unicode.Scalar?) {
    guard let scalar = current else { throw invalid("it ends with a backslash") }
    index += 1
    switch scalar {
    case "d": return (Self.digits, nil)
    case "D": return (Self.digits.inverted, nil)
    case "w": return (Self.word, nil)
    case "W": return (Self.word.inverted, nil)
    case "s": return (Self.space, nil)
    case "S": return (Self.space.inverted, nil)
    case "b" where !inClass, "B": throw unsupported("a word boundary")
    case "1"..."9", "k": throw unsupported("a reference back to a group")
    case "p", "P": throw unsupported("a Unicode property")
    case "c": throw unsupported("a control letter")
    case "0" where current.map { ("0"..."9").contains($0) } ?? false: throw unsupported("an octal escape")
    default:
      let single = try character(scalar)
      return (ScalarSet(single), single)
    }
  }

  private mutating func character(_ escape: Unicode.Scalar) throws(RequestError) -> Unicode.Scalar {
    switch escape {
    case "0": return "\0"
    case "b": return "\u{8}"
    case "t": return "\t"
    case "n": return "\n"
    case "v": return "\u{B}"
    case "f": return "\u{C}"
    case "r": return "\r"
    case "x": return try scalar(hexadecimal(2))
    case "u": return try unicode()
    case "a"..."z", "A"..."Z": throw invalid("the escape '\\\(escape)' is unknown")
    default: return escape
    }
  }

  /// `\u0041`, a pair of surrogates so written, or `\u{1F600}`.
  private mutating func unicode() throws(RequestError) -> Unicode.Scalar {
    if take("{") {
      // One digit at least.
      var value = try hexadecimal(1)
      while !take("}") {
        value = value << 4 | (try hexadecimal(1))
        guard value <= 0x10FFFF else { throw invalid("an escape is beyond Unicode") }
      }
      return try scalar(value)
    }
    let first = try hexadecimal(4)
    guard (0xD800...0xDBFF).contains(first), take("\\") else { return try scalar(first) }
    guard take("u"), current != "{" else { throw unsupported("half of a pair of surrogates") }
    let second = try hexadecimal(4)
    guard (0xDC00...0xDFFF).contains(second) else { throw unsupported("half of a pair of surrogates") }
    return try scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
  }

  private mutating func hexadecimal(_ count: Int) throws(RequestError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<count {
      guard let digit = current.flatMap({ Character($0).hexDigitValue }), current?.isASCII == true else {
        throw invalid("hexadecimal digits are missing after a backslash")
      }
      value = value << 4 | UInt32(digit)
      index += 1
    }
    return value
  }

  private func scalar(_ value: UInt32) throws(RequestError) -> Unicode.Scalar {
    guard let scalar = Unicode.Scalar(value) else { throw unsupported("half of a pair of surrogates") }
    return scalar
  }

  // MARK: - Reading

  private var current: Unicode.Scalar? { index < scalars.count ? scalars[index] : nil }

  private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
    guard current == scalar else { return false }
    index += 1
    return true
  }

  private func invalid(_ reason: String) -> RequestError {
    JSONSchemaCompiler.invalid(path, "is no pattern: \(reason), before character \(index + 1)")
  }

  private func unsupported(_ what: String) -> RequestError { JSONSchemaCompiler.unsupported(path, what) }
}
