// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A bound of numbers as it is written in decimal, so that comparing with it needs no rounding.
struct DecimalBound: Equatable, Sendable {
  /// More digits before the point, or after it, are not read.
  static let mostDigits = 15

  let isNegative: Bool
  /// Digits before the point, at least one.
  let whole: [UInt8]
  /// Digits after the point, without trailing zeros.
  let fraction: [UInt8]
  /// Whether the bound itself is excluded.
  let isStrict: Bool

  /// Reads a JSON number; `nil` if it has an exponent or too many digits.
  init?(_ text: String, isStrict: Bool) {
    var digits = Array(text.utf8)
    let isNegative = digits.first == UInt8(ascii: "-")
    if isNegative { digits.removeFirst() }
    let parts = digits.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard (1...2).contains(parts.count), parts[0].count <= Self.mostDigits, !parts[0].isEmpty,
      parts.allSatisfy({ $0.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } })
    else { return nil }
    var fraction = parts.count == 2 ? Array(parts[1]) : []
    while fraction.last == UInt8(ascii: "0") { fraction.removeLast() }
    guard fraction.count <= Self.mostDigits else { return nil }
    self.init(isNegative: isNegative, whole: Array(parts[0]), fraction: fraction, isStrict: isStrict)
  }

  private init(isNegative: Bool, whole: [UInt8], fraction: [UInt8], isStrict: Bool) {
    self.isNegative = isNegative && !(fraction.isEmpty && whole.allSatisfy { $0 == UInt8(ascii: "0") })
    self.whole = whole
    self.fraction = fraction
    self.isStrict = isStrict
  }

  /// Zero, included.
  static let zero = Self(isNegative: false, whole: [UInt8(ascii: "0")], fraction: [], isStrict: false)

  /// The same size above zero.
  var magnitude: Self { Self(isNegative: false, whole: whole, fraction: fraction, isStrict: isStrict) }

  /// Whether it is zero.
  var isZero: Bool { fraction.isEmpty && whole.allSatisfy { $0 == UInt8(ascii: "0") } }

  /// How many digits before the point count: of zero none.
  var wholeCount: Int { whole.drop { $0 == UInt8(ascii: "0") }.count }

  /// The digits before the point as a number.
  var wholeValue: Int { whole.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) } }
}

/// The grammar of numbers between bounds.
struct JSONNumberGrammar {
  private static let mostPlaces = 16
  private static let largestWhole = 999_999_999_999_999
  private static let (nought, nine) = (UInt8(ascii: "0"), UInt8(ascii: "9"))

  private let values: JSONValueGrammar
  private var builder: GrammarBuilder { values.builder }
  /// The most digits after the point.
  private let places: Int

  /// - Parameters:
  ///   - values: The grammar that it is a part of.
  ///   - places: The most digits after the point.
  init(_ values: JSONValueGrammar, places: Int) {
    self.values = values
    self.places = places
  }

  /// The most digits after the point with which numbers may be written.
  ///
  /// What is written is most often read as a double, which tells numbers of up to 15 digits apart. Beside a strict bound a
  /// number near it may have so many, lest it be read as the bound itself: 99.9999999999999999 is 100 to most readers.
  /// One digit after the point does no harm to whole bounds, as doubles of up to 15 digits are less than that apart.
  ///
  /// - Returns: The count; `nil` if a bound has more digits after the point than that.
  static func places(beside low: DecimalBound?, _ high: DecimalBound?) -> Int? {
    let bounds = [low, high].compactMap { $0 }
    guard let whole = bounds.lazy.filter(\.isStrict).map(\.wholeCount).max() else { return mostPlaces }
    let places = DecimalBound.mostDigits - whole
    return bounds.allSatisfy { $0.fraction.count <= places } ? max(1, places) : nil
  }

  /// A number between two bounds, where there are any, in plain decimal notation.
  func number(from low: DecimalBound?, to high: DecimalBound?, then next: Int32) throws(RequestError) -> Int32
  {
    guard low != nil || high != nil else { return try values.number(then: next) }
    var options: [Int32] = []
    if !(high?.isNegative ?? false) {
      let start = low.flatMap { $0.isNegative ? nil : $0 } ?? .zero
      options.append(try magnitude(from: start, to: high, then: next))
    }
    // Below zero the bounds change sides.
    if low?.isNegative ?? true {
      let start = high.flatMap { $0.isNegative || $0.isZero ? $0.magnitude : nil } ?? .zero
      let negative = try magnitude(from: start, to: low?.magnitude, then: next)
      options.append(try builder.literal("-", then: negative))
    }
    return try builder.oneOf(options)
  }

  /// A number that is not negative, at least `low` and at most `high`.
  private func magnitude(
    from low: DecimalBound,
    to high: DecimalBound?,
    then next: Int32
  ) throws(RequestError) -> Int32 {
    let first = low.wholeValue
    let last = high?.wholeValue ?? Self.largestWhole
    guard first <= last else { return try builder.oneOf([]) }
    let top = high ?? DecimalBound.zero
    if first == last, high != nil {
      let rest = try fraction(from: low, to: top, then: next)
      return try values.natural(first, first, then: rest)
    }
    var options = [try values.natural(first, first, then: fraction(from: low, then: next))]
    let whole = high == nil ? last : last - 1
    if first + 1 <= whole {
      options.append(try values.natural(first + 1, whole, then: anyFraction(then: next)))
    }
    if high != nil { options.append(try values.natural(last, last, then: fraction(to: top, then: next))) }
    return try builder.oneOf(options)
  }

  /// A point and digits, or nothing.
  private func anyFraction(then next: Int32) throws(RequestError) -> Int32 {
    try builder.optional(builder.literal(".", then: values.digits(1, places, then: next)), then: next)
  }

  private func fraction(from low: DecimalBound, then next: Int32) throws(RequestError) -> Int32 {
    if low.fraction.isEmpty, !low.isStrict { return try anyFraction(then: next) }
    return try builder.literal(".", then: digits(low.fraction[...], isStrict: low.isStrict, then: next))
  }

  private func fraction(to high: DecimalBound, then next: Int32) throws(RequestError) -> Int32 {
    var options: [Int32] = []
    if !high.fraction.isEmpty {
      options.append(next)
      options.append(
        try builder.literal(".", then: digits(upTo: high.fraction[...], isStrict: high.isStrict, then: next))
      )
    } else if !high.isStrict {
      options.append(next)
    }
    return try builder.oneOf(options)
  }

  private func fraction(
    from low: DecimalBound,
    to high: DecimalBound,
    then next: Int32
  ) throws(RequestError) -> Int32 {
    var options: [Int32] = []
    if low.fraction.isEmpty, !low.isStrict { options.append(try fraction(to: high, then: next)) }
    // One digit at least, so that what has none is left to the line above.
    if !high.fraction.isEmpty {
      let count = max(low.fraction.count, high.fraction.count)
      func padded(_ digits: [UInt8]) -> ArraySlice<UInt8> {
        (digits + repeatElement(UInt8(ascii: "0"), count: count - digits.count))[...]
      }
      let between = try digits(
        from: padded(low.fraction),
        isStrict: low.isStrict,
        upTo: padded(high.fraction),
        isStrict: high.isStrict,
        then: next
      )
      options.append(try builder.literal(".", then: between))
    }
    return try builder.oneOf(options)
  }

  // The rest of a bound's digits is a slice of them, so that its indices say how many digits stand before it.

  /// Any digits after the point, or none, after so many others.
  private func more(after count: Int, then next: Int32) throws(RequestError) -> Int32 {
    try values.digits(0, places - count, then: next)
  }

  /// Digits after the point of which not all are noughts, after so many others.
  private func nonZero(after count: Int, then next: Int32) throws(RequestError) -> Int32 {
    var (node, more) = (try builder.oneOf([]), next)
    for _ in count..<places {
      let nought = try builder.byte(Self.nought...Self.nought, then: node)
      node = try builder.oneOf([nought, builder.byte(Self.nought + 1...Self.nine, then: more)])
      more = try builder.optional(builder.byte(Self.nought...Self.nine, then: more), then: next)
    }
    return node
  }

  /// Digits after the point that are at least these, one at least.
  private func digits(
    _ low: ArraySlice<UInt8>,
    isStrict: Bool,
    then next: Int32
  ) throws(RequestError) -> Int32 {
    // Noughts at the end are there only where the other bound has more digits, and may be left out.
    guard let first = low.first, low.contains(where: { $0 != Self.nought }) else {
      return try isStrict
        ? nonZero(after: low.startIndex, then: next) : more(after: low.startIndex, then: next)
    }
    let same = try digits(low.dropFirst(), isStrict: isStrict, then: next)
    var options = [try builder.byte(first...first, then: same)]
    if first < Self.nine {
      let more = try more(after: low.startIndex + 1, then: next)
      options.append(try builder.byte(first + 1...Self.nine, then: more))
    }
    return try builder.oneOf(options)
  }

  /// Digits after the point that are at most these, one at least.
  private func digits(
    upTo high: ArraySlice<UInt8>,
    isStrict: Bool,
    then next: Int32
  ) throws(RequestError) -> Int32 {
    guard let last = high.first else { return try builder.oneOf([]) }
    let rest = high.dropFirst()
    let after = rest.allSatisfy { $0 == Self.nought } && isStrict ? [] : [next]
    let same = try builder.oneOf(after + [digits(upTo: rest, isStrict: isStrict, then: next)])
    var options = [try builder.byte(last...last, then: same)]
    if last > Self.nought {
      let more = try more(after: high.startIndex + 1, then: next)
      options.append(try builder.byte(Self.nought...last - 1, then: more))
    }
    return try builder.oneOf(options)
  }

  /// Digits after the point between two equally long lists, one at least.
  private func digits(
    from low: ArraySlice<UInt8>,
    isStrict isLowStrict: Bool,
    upTo high: ArraySlice<UInt8>,
    isStrict isHighStrict: Bool,
    then next: Int32
  ) throws(RequestError) -> Int32 {
    guard let first = low.first, let last = high.first, first <= last else { return try builder.oneOf([]) }
    if first == last {
      let rest = try digits(
        from: low.dropFirst(),
        isStrict: isLowStrict,
        upTo: high.dropFirst(),
        isStrict: isHighStrict,
        then: next
      )
      // It may end here where what is left of the lower bound is nothing, and not both bounds exclude the same.
      let isLowReached = low.dropFirst().allSatisfy { $0 == Self.nought } && !isLowStrict
      let isHighReached = high.dropFirst().allSatisfy { $0 == Self.nought } && isHighStrict
      let end = isLowReached && !isHighReached ? [next] : []
      return try builder.byte(first...first, then: builder.oneOf(end + [rest]))
    }
    let isLowReached = low.dropFirst().allSatisfy { $0 == Self.nought } && !isLowStrict
    let more = try more(after: low.startIndex + 1, then: next)
    let above = isLowReached ? more : try digits(low.dropFirst(), isStrict: isLowStrict, then: next)
    let after = high.dropFirst().allSatisfy { $0 == Self.nought } && isHighStrict ? [] : [next]
    let below = try builder.oneOf(
      after + [digits(upTo: high.dropFirst(), isStrict: isHighStrict, then: next)]
    )
    var options = [
      try builder.byte(first...first, then: above), try builder.byte(last...last, then: below),
    ]
    if first + 1 < last { options.append(try builder.byte(first + 1...last - 1, then: more)) }
    return try builder.oneOf(options)
  }
}
