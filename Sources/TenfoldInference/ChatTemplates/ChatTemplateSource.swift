// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The text of a template, searched byte by byte and never run.
struct ChatTemplateSource {
  /// The template, with line breaks that are written as escapes made plain; other escapes are as they were.
  let text: String

  init(_ source: String) {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(source.utf8.count)
    var isEscape = false
    for byte in source.utf8 {
      if isEscape, byte == UInt8(ascii: "n") {
        bytes[bytes.count - 1] = UInt8(ascii: "\n")
      } else {
        bytes.append(byte)
      }
      // What follows an escaped backslash is no escape.
      isEscape = !isEscape && byte == Self.backslash
    }
    text = String(decoding: bytes, as: UTF8.self)
  }

  private static let backslash = UInt8(ascii: "\\")

  func contains(_ part: String) -> Bool { text.contains(part) }

  /// The parts of `text` between occurrences of `separator`.
  func components(separatedBy separator: String) -> [String] {
    Self.components(of: text, separatedBy: separator)
  }

  /// Whether the last thing that the template writes, at its end, is `opening` alone: what begins the model's turn.
  func endsTurnOpening(_ opening: String) -> Bool {
    guard contains(opening), let next = components(separatedBy: opening).last?.utf8.first else {
      return false
    }
    return next == UInt8(ascii: "'") || next == UInt8(ascii: "\"")
  }

  /// The text between quotes that `variable` is last set to.
  ///
  /// - Throws: ``ModelError`` with code ``ModelError/Code/unsupported`` for an escape that is not known.
  func literal(of variable: String) throws(ModelError) -> String? {
    var found: String?
    for part in components(separatedBy: "\(variable) = ").dropFirst() {
      guard let quote = part.utf8.first, Self.isQuote(quote) else { continue }
      let text = String(part.dropFirst())
      guard let end = Self.end(of: text, quote) else { continue }
      found = try Self.unescaped(String(decoding: text.utf8.prefix(end), as: UTF8.self))
    }
    return found
  }

  static func isQuote(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\"") }

  /// How many bytes of a text come before the quote that closes it; `nil` if none does.
  static func end(of text: String, _ quote: UInt8) -> Int? {
    var isEscaped = false
    for (index, byte) in text.utf8.enumerated() {
      if byte == quote, !isEscaped { return index }
      isEscaped = !isEscaped && byte == backslash
    }
    return nil
  }

  /// The text that a literal between quotes stands for.
  ///
  /// - Throws: ``ModelError`` with code ``ModelError/Code/unsupported`` for an escape that is not known.
  static func unescaped(_ literal: String) throws(ModelError) -> String {
    var bytes: [UInt8] = []
    var isEscape = false
    for byte in literal.utf8 {
      guard isEscape else {
        isEscape = byte == backslash
        if !isEscape { bytes.append(byte) }
        continue
      }
      isEscape = false
      switch byte {
      case backslash, UInt8(ascii: "'"), UInt8(ascii: "\""): bytes.append(byte)
      case UInt8(ascii: "n"): bytes.append(UInt8(ascii: "\n"))
      case UInt8(ascii: "t"): bytes.append(UInt8(ascii: "\t"))
      case UInt8(ascii: "r"): bytes.append(UInt8(ascii: "\r"))
      default: throw unreadable("has an escape that is not known in the text it writes")
      }
    }
    guard !isEscape else { throw unreadable("has an escape that is not known in the text it writes") }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// What is said of a template of a known family that can't be followed.
  static func unreadable(_ fault: String) -> ModelError {
    ModelError(
      .unsupported,
      "The model's chat template \(fault). Write the prompt yourself and send it as raw text."
    )
  }

  static func components(of text: String, separatedBy separator: String) -> [String] {
    let bytes = Array(text.utf8)
    let mark = Array(separator.utf8)
    var parts: [String] = []
    var start = 0
    var index = 0
    while index + mark.count <= bytes.count {
      guard bytes[index..<index + mark.count].elementsEqual(mark) else {
        index += 1
        continue
      }
      parts.append(String(decoding: bytes[start..<index], as: UTF8.self))
      index += mark.count
      start = index
    }
    parts.append(String(decoding: bytes[start...], as: UTF8.self))
    return parts
  }
}
