// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The smallest part that passages are made of: a sentence, or a word or piece of one that is too long.
struct TextUnit: Hashable, Sendable {
  /// What ends here; a cut is better the more does.
  enum Boundary: Int, Comparable, Sendable {
    case piece, word, line, sentence, paragraph

    static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
  }

  /// The unit's place without white space at its ends, in UTF-8 bytes.
  var range: Range<Int>
  var boundary: Boundary
  var tokenCount = 0
}

/// Cuts text into sentences in one pass over its bytes.
///
/// A sentence ends after `.`, `!`, `?` or `…` with the quotes and brackets that close behind it, where white space follows
/// and then no small letter; after their CJK forms wherever they stand; and where a paragraph ends: at an empty line, a
/// paragraph separator or a form feed.
struct SentenceBreaker {
  private let text: [UInt8]

  init(_ text: [UInt8]) { self.text = text }

  /// The sentences in order; white space between them belongs to none.
  func sentences() -> [TextUnit] {
    var units: [TextUnit] = []
    var start = skippingSpaces(from: 0).end
    var index = start
    // The end of the last character that is not white space.
    var contentEnd = start
    func close(_ boundary: TextUnit.Boundary, next: Int) {
      if contentEnd > start { units.append(TextUnit(range: start..<contentEnd, boundary: boundary)) }
      (start, index, contentEnd) = (next, next, next)
    }
    while index < text.count {
      let (scalar, length) = Self.scalar(text, at: index)
      if Self.isSpace(scalar) {
        let gap = skippingSpaces(from: index)
        if gap.isParagraph { close(.paragraph, next: gap.end) } else { index = gap.end }
        continue
      }
      index += length
      contentEnd = index
      guard Self.isTerminator(scalar) else { continue }
      let end = closersEnd(from: index, isWide: Self.isWideTerminator(scalar))
      let gap = skippingSpaces(from: end.index)
      index = end.index
      contentEnd = end.index
      guard end.isWide || (gap.end > index && !startsSmall(at: gap.end)) else { continue }
      close(gap.isParagraph ? .paragraph : .sentence, next: gap.end)
    }
    close(.paragraph, next: text.count)
    return units
  }

  /// The end of further terminators and of closing quotes and brackets.
  private func closersEnd(from start: Int, isWide: Bool) -> (index: Int, isWide: Bool) {
    var (index, isWide) = (start, isWide)
    while index < text.count {
      let (scalar, length) = Self.scalar(text, at: index)
      guard Self.isTerminator(scalar) || Self.isCloser(scalar) else { break }
      isWide = isWide || Self.isWideTerminator(scalar)
      index += length
    }
    return (index, isWide)
  }

  /// The end of the white space at `start`, and whether a paragraph ends in it.
  private func skippingSpaces(from start: Int) -> (end: Int, isParagraph: Bool) {
    var index = start
    var lines = 0
    while index < text.count {
      let (scalar, length) = Self.scalar(text, at: index)
      guard Self.isSpace(scalar) else { break }
      // A carriage return before a line feed is part of it.
      let isPart = scalar == 0x0d && index + 1 < text.count && text[index + 1] == 0x0a
      if scalar == 0x0c || scalar == 0x2029 {
        lines += 2
      } else if Self.endsLine(scalar), !isPart {
        lines += 1
      }
      index += length
    }
    return (index, lines > 1)
  }

  private func startsSmall(at index: Int) -> Bool {
    guard index < text.count, let scalar = Unicode.Scalar(Self.scalar(text, at: index).value) else {
      return false
    }
    return scalar.properties.isLowercase
  }

  // MARK: - Characters

  static func isSpace(_ scalar: UInt32) -> Bool {
    switch scalar {
    case 0x09...0x0d, 0x20, 0x85, 0xa0, 0x1680, 0x2000...0x200a, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000: true
    default: false
    }
  }

  static func endsLine(_ scalar: UInt32) -> Bool {
    scalar == 0x0a || scalar == 0x0d || scalar == 0x85 || scalar == 0x2028 || scalar == 0x2029
  }

  private static func isTerminator(_ scalar: UInt32) -> Bool {
    switch scalar {
    // Full stop, exclamation and question marks, of Arabic, Urdu and Devanagari too, and the ellipsis.
    case 0x21, 0x2e, 0x3f, 0x061f, 0x06d4, 0x0964, 0x0965, 0x2026, 0x203c...0x203d, 0x2047...0x2049: true
    default: isWideTerminator(scalar)
    }
  }

  /// Ends a sentence without white space behind it.
  private static func isWideTerminator(_ scalar: UInt32) -> Bool {
    switch scalar {
    case 0x3002, 0xff01, 0xff0e, 0xff1f, 0xff61: true
    default: false
    }
  }

  private static func isCloser(_ scalar: UInt32) -> Bool {
    switch scalar {
    case 0x22, 0x27, 0x29, 0x5d, 0x7d, 0xbb, 0x2019, 0x201d, 0x203a, 0x3009, 0x300b, 0x300d, 0x300f, 0x3011,
      0xff09, 0xff3d:
      true
    default: false
    }
  }

  /// The scalar at `index` of valid UTF-8, and its length.
  static func scalar(_ text: [UInt8], at index: Int) -> (value: UInt32, length: Int) {
    let first = UInt32(text[index])
    if first < 0x80 { return (first, 1) }
    let length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
    var value = first & (0x7f >> UInt32(length))
    for offset in 1..<length { value = value << 6 | UInt32(text[index + offset] & 0x3f) }
    return (value, length)
  }
}
