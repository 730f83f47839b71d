// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The text of a template, searched byte by byte and never run.
struct ChatTemplateSource {
  /// The template, with line breaks that are written as escapes made plain.
  let text: String

  init(_ source: String) {
    text = Self.components(of: source, separatedBy: "\\n").joined(separator: "\n")
  }

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
  func literal(of variable: String) -> String? {
    var found: String?
    for part in components(separatedBy: "\(variable) = ").dropFirst() {
      guard let quote = part.first, quote == "'" || quote == "\"" else { continue }
      let pieces = Self.components(of: String(part.dropFirst()), separatedBy: String(quote))
      if pieces.count > 1 { found = pieces[0] }
    }
    return found
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
