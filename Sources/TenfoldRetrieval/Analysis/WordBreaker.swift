// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Finds the words of a text and lowers their case.
///
/// The rules are those of Unicode's word boundaries (UAX #29) in short:
/// - a word is a run of letters, digits, marks and `_`;
/// - `.` and an apostrophe stay inside a word between two letters or two digits, `,` and `;` between two digits, so
///   `don't`, `u.s.a`, `3.14` and `1,000` are words;
/// - ideographs, kana, and letters of scripts written without spaces (Thai, Lao, Khmer, Myanmar) are words by
///   themselves, marks that follow them included;
/// - everything else separates;
/// - a word longer than ``maximumLength`` bytes is cut into pieces of that length.
struct WordBreaker {
  /// The length in UTF-8 bytes at which a word is cut.
  static let maximumLength = 255

  /// The word found last, lower-case UTF-8.
  private(set) var word: [UInt8] = []
  /// Whether ``word`` is all ASCII.
  private(set) var isASCII = true

  private let text: [UInt8]
  private var offset = 0

  private enum Kind {
    case letter
    case digit
    /// Belongs to the word before it: marks and `_`.
    case extender
    /// A word by itself.
    case single
    /// `.` or an apostrophe.
    case joiner
    /// `,` or `;`.
    case digitJoiner
    case other
  }

  init(_ text: String) {
    self.text = Array(text.utf8)
    word.reserveCapacity(Self.maximumLength)
  }

  /// Moves on to the next word.
  ///
  /// - Returns: False at the end of the text.
  mutating func advance() -> Bool {
    word.removeAll(keepingCapacity: true)
    isASCII = true
    var last = Kind.other
    while offset < text.count {
      let (scalar, length) = decode(at: offset)
      let kind = Self.kind(of: scalar)
      switch kind {
      case .letter, .digit, .extender:
        if last == .single, kind != .extender { return true }
        guard word.count + max(length, 4) <= Self.maximumLength || word.isEmpty else { return true }
        append(scalar)
        if kind != .extender || last == .other { last = kind == .extender ? .letter : kind }
      case .single:
        if !word.isEmpty { return true }
        append(scalar)
        last = .single
      case .joiner, .digitJoiner:
        guard !word.isEmpty else { break }
        let next = offset + length < text.count ? Self.kind(of: decode(at: offset + length).scalar) : .other
        let joins =
          (last == .digit && next == .digit) || (kind == .joiner && last == .letter && next == .letter)
        guard joins, word.count < Self.maximumLength - 8 else { return true }
        // Both apostrophes are the same to the stemmer.
        append(scalar == "\u{2019}" ? "'" : scalar)
      case .other:
        if !word.isEmpty { return true }
      }
      offset += length
    }
    return !word.isEmpty
  }

  // MARK: - Private

  private mutating func append(_ scalar: Unicode.Scalar) {
    if scalar.value < 0x80 {
      let byte = UInt8(scalar.value)
      word.append(byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte)
    } else {
      isASCII = false
      word.append(contentsOf: scalar.properties.lowercaseMapping.utf8)
    }
  }

  /// A scalar of text that is known to be valid UTF-8, and its length in bytes.
  private func decode(at offset: Int) -> (scalar: Unicode.Scalar, length: Int) {
    let first = UInt32(text[offset])
    if first < 0x80 { return (Unicode.Scalar(UInt8(first)), 1) }
    let length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
    var value = first & (0x7f >> UInt32(length))
    for index in 1..<length {
      value = value << 6 | UInt32(offset + index < text.count ? text[offset + index] & 0x3f : 0)
    }
    return (Unicode.Scalar(value) ?? "\u{fffd}", length)
  }

  private static func kind(of scalar: Unicode.Scalar) -> Kind {
    switch scalar.value {
    case 0x61...0x7a, 0x41...0x5a: return .letter
    case 0x30...0x39: return .digit
    case 0x5f: return .extender
    case 0x27, 0x2e, 0x2019: return .joiner
    case 0x2c, 0x3b: return .digitJoiner
    case 0..<0x80: return .other
    // Thai, Lao, Myanmar, Khmer; kana.
    case 0x0e00...0x0eff, 0x1000...0x109f, 0x1780...0x17ff, 0x3040...0x30ff, 0x31f0...0x31ff:
      return Self.isMark(scalar) ? .extender : scalar.properties.isAlphabetic ? .single : .other
    default:
      let properties = scalar.properties
      if properties.isIdeographic { return .single }
      if properties.isAlphabetic { return .letter }
      switch properties.generalCategory {
      case .decimalNumber: return .digit
      case .letterNumber, .otherNumber: return .letter
      case .nonspacingMark, .spacingMark, .enclosingMark: return .extender
      default: return .other
      }
    }
  }

  private static func isMark(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark: true
    default: false
    }
  }
}
