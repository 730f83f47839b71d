// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// The parts that all JSON grammars are built of.
final class JSONValueGrammar {
  /// Integers are written with at most 18 digits, which fit into 64 bits.
  static let largestInteger = 999_999_999_999_999_999

  let builder: GrammarBuilder
  /// The rules of free values by depth.
  private var free: [Int: Int32] = [:]
  /// The rules of one scalar of a set that is written out once.
  var scalarRules: [ScalarSet: Int32] = [:]

  init(_ builder: GrammarBuilder) { self.builder = builder }

  // MARK: - Between values

  /// A comma, and a space if the model likes.
  func comma(then next: Int32) throws(RequestError) -> Int32 {
    try builder.literal(",", then: builder.optional(builder.literal(" ", then: next), then: next))
  }

  /// A colon, and a space if the model likes.
  func colon(then next: Int32) throws(RequestError) -> Int32 {
    try builder.literal(":", then: builder.optional(builder.literal(" ", then: next), then: next))
  }

  // MARK: - Scalars

  /// A string of so many scalars.
  func string(_ minimum: Int, _ maximum: Int?, then next: Int32) throws(RequestError) -> Int32 {
    let close = try builder.literal("\"", then: next)
    if let maximum, maximum < minimum { return try builder.oneOf([]) }
    guard minimum > 0 || maximum != nil else {
      let contents = try builder.loop { (loop) throws(RequestError) in [try character(then: loop), close] }
      return try builder.literal("\"", then: contents)
    }
    // Limits can be large, so a character takes one place each.
    guard minimum < GrammarBuilder.maximumNodes, maximum ?? 0 < GrammarBuilder.maximumNodes else {
      throw RequestError(.unsupportedFormat, "A length in responseFormat is too large; lower it.")
    }
    let one = builder.declareRule()
    builder.define(one, try character(then: builder.end))
    let contents = try builder.repeated(minimum, maximum, then: close) { (next) throws(RequestError) in
      try builder.call(one, then: next)
    }
    return try builder.literal("\"", then: contents)
  }

  /// One scalar of a string, plain or escaped; a surrogate is never escaped, as it could stand alone.
  private func character(then next: Int32) throws(RequestError) -> Int32 {
    let plain = try builder.scalar([0x20...0x21, 0x23...0x5B, 0x5D...0xD7FF, 0xE000...0x10FFFF], then: next)
    var simple: [Int32] = []
    for escape in ["\"", "\\", "/", "b", "f", "n", "r", "t"] {
      simple.append(try builder.literal(escape, then: next))
    }
    let one = try hexadecimal(then: next)
    let two = try hexadecimal(then: one)
    let three = try hexadecimal(then: two)
    let low = try builder.byte(UInt8(ascii: "0")...UInt8(ascii: "7"), then: two)
    let d = try builder.oneOf([builder.literal("d", then: low), builder.literal("D", then: low)])
    let others = try builder.oneOf([
      builder.byte(UInt8(ascii: "0")...UInt8(ascii: "9"), then: three),
      builder.byte(UInt8(ascii: "a")...UInt8(ascii: "c"), then: three),
      builder.byte(UInt8(ascii: "e")...UInt8(ascii: "f"), then: three),
      builder.byte(UInt8(ascii: "A")...UInt8(ascii: "C"), then: three),
      builder.byte(UInt8(ascii: "E")...UInt8(ascii: "F"), then: three),
    ])
    simple.append(try builder.literal("u", then: builder.oneOf([d, others])))
    return try builder.oneOf([plain, builder.literal("\\", then: builder.oneOf(simple))])
  }

  private func hexadecimal(then next: Int32) throws(RequestError) -> Int32 {
    try builder.oneOf([
      builder.byte(UInt8(ascii: "0")...UInt8(ascii: "9"), then: next),
      builder.byte(UInt8(ascii: "a")...UInt8(ascii: "f"), then: next),
      builder.byte(UInt8(ascii: "A")...UInt8(ascii: "F"), then: next),
    ])
  }

  /// A number that a double holds: at most 15 digits before and 16 after the point, and a small exponent.
  func number(then next: Int32) throws(RequestError) -> Int32 {
    let exponentDigits = try digits(1, 2, then: next)
    let signed = try builder.oneOf([
      builder.literal("+", then: exponentDigits), builder.literal("-", then: exponentDigits), exponentDigits,
    ])
    let exponent = try builder.oneOf([
      builder.literal("e", then: signed), builder.literal("E", then: signed), next,
    ])
    let fraction = try builder.literal(".", then: digits(1, 16, then: exponent))
    let afterWhole = try builder.oneOf([fraction, exponent])
    let whole = try builder.oneOf([
      builder.literal("0", then: afterWhole),
      builder.byte(UInt8(ascii: "1")...UInt8(ascii: "9"), then: digits(0, 14, then: afterWhole)),
    ])
    return try builder.optional(builder.literal("-", then: whole), then: whole)
  }

  /// An integer between two bounds, both of at most 18 digits.
  func integer(from low: Int, to high: Int, then next: Int32) throws(RequestError) -> Int32 {
    guard low <= high else { return try builder.oneOf([]) }
    var options: [Int32] = []
    if high >= 0 { options.append(try natural(max(0, low), high, then: next)) }
    if low < 0 {
      options.append(try builder.literal("-", then: natural(max(1, -high), -low, then: next)))
    }
    return try builder.oneOf(options)
  }

  func digits(_ minimum: Int, _ maximum: Int, then next: Int32) throws(RequestError) -> Int32 {
    try builder.repeated(minimum, maximum, then: next) { (next) throws(RequestError) in
      try builder.byte(UInt8(ascii: "0")...UInt8(ascii: "9"), then: next)
    }
  }

  /// A natural number between two bounds, without leading zeros: an option for each number of digits.
  func natural(_ low: Int, _ high: Int, then next: Int32) throws(RequestError) -> Int32 {
    var options: [Int32] = []
    var first = 0
    var last = 9
    while first <= high {
      if last >= low {
        let bounds = (String(max(low, first)), String(min(high, last)))
        options.append(try between(Array(bounds.0.utf8), Array(bounds.1.utf8), then: next))
      }
      // The next number of digits may be more than an Int has.
      if last >= high { break }
      first = last + 1
      last = first > Int.max / 10 ? Int.max : first * 10 - 1
    }
    return try builder.oneOf(options)
  }

  /// A number of as many digits as both bounds have.
  private func between(_ low: [UInt8], _ high: [UInt8], then next: Int32) throws(RequestError) -> Int32 {
    guard let first = low.first, let last = high.first else { return next }
    let zeros = [UInt8](repeating: UInt8(ascii: "0"), count: low.count - 1)
    let nines = [UInt8](repeating: UInt8(ascii: "9"), count: low.count - 1)
    let (lowRest, highRest) = (Array(low.dropFirst()), Array(high.dropFirst()))
    if first == last {
      return try builder.byte(first...first, then: between(lowRest, highRest, then: next))
    }
    var (from, to) = (first, last)
    var options: [Int32] = []
    if lowRest != zeros {
      options.append(try builder.byte(first...first, then: between(lowRest, nines, then: next)))
      from += 1
    }
    if highRest != nines {
      options.append(try builder.byte(last...last, then: between(zeros, highRest, then: next)))
      to -= 1
    }
    if from <= to {
      options.append(try builder.byte(from...to, then: digits(zeros.count, zeros.count, then: next)))
    }
    return try builder.oneOf(options)
  }

  /// True or false.
  func boolean(then next: Int32) throws(RequestError) -> Int32 {
    try builder.oneOf([builder.literal("true", then: next), builder.literal("false", then: next)])
  }

  // MARK: - Names

  /// A name in quotes that is none of the given ones, without escapes.
  func otherName(than names: [String], then next: Int32) throws(RequestError) -> Int32 {
    let end = try builder.literal("\"", then: next)
    let rest = try builder.loop { (loop) throws(RequestError) in
      var options = [end]
      for range in Self.nameBytes { options.append(try builder.byte(range, then: loop)) }
      options.append(try builder.scalar(Self.nameScalars, then: loop))
      return options
    }
    let start = try otherName(than: names.map { Array($0.utf8) }, isStart: true, end: end, rest: rest)
    return try builder.literal("\"", then: start)
  }

  /// All of ASCII that stands in a string as it is.
  private static let nameBytes: [ClosedRange<UInt8>] = [0x20...0x21, 0x23...0x5B, 0x5D...0x7E]
  /// What is beyond ASCII.
  private static let nameScalars: [ClosedRange<UInt32>] = [0x80...0xD7FF, 0xE000...0x10FFFF]

  /// What is left of a name whose beginning is also that of names with these remainders.
  private func otherName(
    than names: [[UInt8]],
    isStart: Bool,
    end: Int32,
    rest: Int32
  ) throws(RequestError) -> Int32 {
    if names.isEmpty { return rest }
    try builder.spend(names.count)
    var options: [Int32] = []
    // The name may end here unless it is one of them, or empty.
    if !isStart, !names.contains([]) { options.append(end) }
    let taken = Set(names.compactMap(\.first))
    // Byte by byte a scalar beyond ASCII would be cut; where a listed name has one, no other may stand.
    if taken.allSatisfy({ $0 < 0x80 }) { options.append(try builder.scalar(Self.nameScalars, then: rest)) }
    for range in Self.nameBytes {
      for byte in range where taken.contains(byte) {
        let remainders = names.filter { $0.first == byte }.map { Array($0.dropFirst()) }
        let node = try otherName(than: remainders, isStart: false, end: end, rest: rest)
        options.append(try builder.byte(byte...byte, then: node))
      }
      // Runs of bytes that no listed name goes on with.
      var start: UInt8?
      for byte in range {
        if !taken.contains(byte) {
          start = start ?? byte
        } else if let first = start {
          options.append(try builder.byte(first...byte - 1, then: rest))
          start = nil
        }
      }
      if let first = start { options.append(try builder.byte(first...range.upperBound, then: rest)) }
    }
    return try builder.oneOf(options)
  }

  // MARK: - Free values

  /// Any value, at most so many levels deep.
  func any(depth: Int, then next: Int32) throws(RequestError) -> Int32 {
    try builder.call(freeRule(depth), then: next)
  }

  /// Any object, its values at most so many levels deep.
  func object(depth: Int, then next: Int32) throws(RequestError) -> Int32 {
    let value = try freeRule(depth - 1)
    let close = try builder.literal("}", then: next)
    let members = try list(then: close) { (next) throws(RequestError) in
      try string(0, nil, then: colon(then: builder.call(value, then: next)))
    }
    return try builder.literal("{", then: members)
  }

  private func freeRule(_ depth: Int) throws(RequestError) -> Int32 {
    if let rule = free[depth] { return rule }
    let rule = builder.declareRule()
    free[depth] = rule
    let end = builder.end
    var options = [
      try string(0, nil, then: end), try number(then: end), try boolean(then: end),
      try builder.literal("null", then: end),
    ]
    if depth > 0 {
      options.append(try object(depth: depth, then: end))
      let value = try freeRule(depth - 1)
      let items = try list(then: builder.literal("]", then: end)) { (next) throws(RequestError) in
        try builder.call(value, then: next)
      }
      options.append(try builder.literal("[", then: items))
    }
    builder.define(rule, try builder.oneOf(options))
    return rule
  }

  /// Any number of elements with commas between them.
  private func list(
    then close: Int32,
    _ element: (Int32) throws(RequestError) -> Int32
  ) throws(RequestError) -> Int32 {
    let more = try builder.loop { (loop) throws(RequestError) in
      [try comma(then: element(loop)), close]
    }
    return try builder.optional(element(more), then: close)
  }
}
