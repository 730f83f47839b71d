// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// How a ChatML template writes a message: its role, a line break and its content, one after the other.
///
/// Both of the usual forms are known: `'<|im_start|>' + message['role'] + '\n' + message['content']`, and the same with each
/// part in braces of its own.
struct ChatMLTurn: Equatable {
  /// Whether the content loses white space at its ends.
  var trims: Bool

  /// All places where a template writes a message so.
  static func all(in source: ChatTemplateSource, start: String) -> [Self] {
    source.components(separatedBy: start).dropFirst().compactMap { part in
      var cursor = Cursor(rest: Array(part.utf8)[...])
      return cursor.sum() ?? cursor.braces()
    }
  }

  /// How often a template trims anything.
  static func trimCount(in source: ChatTemplateSource) -> Int {
    source.components(separatedBy: "|").dropFirst().filter {
      $0.drop { $0.isWhitespace }.hasPrefix("trim")
    }.count
  }

  /// Reads what follows the mark that begins a turn.
  private struct Cursor {
    var rest: ArraySlice<UInt8>

    /// The form in which strings are added up.
    mutating func sum() -> ChatMLTurn? {
      let start = rest
      guard takeQuote(), takePlus(), isRole(expression()), takePlus(), takeQuote(), take("\n"), takeQuote(),
        takePlus(), let turn = turn(expression())
      else {
        rest = start
        return nil
      }
      return turn
    }

    /// The form with braces around each part.
    mutating func braces() -> ChatMLTurn? {
      guard take("{{"), isRole(expression()), take("}}"), take("\n"), take("{{") else { return nil }
      return turn(expression())
    }

    private mutating func take(_ text: String) -> Bool {
      guard rest.starts(with: text.utf8) else { return false }
      rest = rest.dropFirst(text.utf8.count)
      return true
    }

    private mutating func takeQuote() -> Bool { take("'") || take("\"") }

    /// A plus, and the white space around it.
    private mutating func takePlus() -> Bool {
      skipSpaces()
      guard take("+") else { return false }
      skipSpaces()
      return true
    }

    private mutating func skipSpaces() {
      rest = rest.drop { $0 == 0x20 || (0x09...0x0D).contains($0) }
    }

    /// What stands before the next plus or brace, without white space around it.
    private mutating func expression() -> String {
      let end = rest.firstIndex { $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "}") } ?? rest.endIndex
      var text = String(decoding: rest[..<end], as: UTF8.self)
      rest = rest[end...]
      // White space control: `-}}`.
      if text.hasSuffix("-") { text.removeLast() }
      return String(text.trimmed)
    }

    /// Whether an expression is nothing but a member or a variable of that name.
    private func names(_ name: String, _ expression: String) -> Bool {
      let isPath = expression.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"),
          UInt8(ascii: "."), UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: "'"), UInt8(ascii: "\""):
          true
        default: false
        }
      }
      let endings = [name, "['\(name)']", "[\"\(name)\"]"]
      return isPath && endings.contains { expression.hasSuffix($0) }
    }

    private func isRole(_ expression: String) -> Bool { names("role", expression) }

    private func turn(_ expression: String) -> ChatMLTurn? {
      var inner = expression[...]
      if inner.hasPrefix("("), inner.hasSuffix(")") { inner = inner.dropFirst().dropLast() }
      let parts = inner.split(separator: "|", omittingEmptySubsequences: false)
        .map { String(String($0).trimmed) }
      guard let first = parts.first, names("content", first), parts.dropFirst().allSatisfy({ $0 == "trim" })
      else { return nil }
      return ChatMLTurn(trims: parts.count > 1)
    }
  }
}
