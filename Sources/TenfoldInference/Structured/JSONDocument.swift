// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

package import TenfoldCore

/// A JSON text in memory; members keep their order and numbers their spelling.
///
/// Names and strings are equal if their bytes are, as JSON has it: what Unicode holds to be equal are different texts.
package enum JSONDocument: Hashable, Sendable {
  /// A name and its value.
  package struct Member: Hashable, Sendable {
    package var name: String
    package var value: JSONDocument

    package init(name: String, value: JSONDocument) {
      self.name = name
      self.value = value
    }

    package static func == (left: Self, right: Self) -> Bool {
      left.name.hasSameBytes(as: right.name) && left.value == right.value
    }
  }

  case null
  case bool(Bool)
  case number(String)
  case string(String)
  case array([JSONDocument])
  case object([Member])

  /// Reads a text.
  ///
  /// - Parameters:
  ///   - text: The text; at most 64 levels deep.
  ///   - allowsRepeatedNames: Whether an object may have several members of a name.
  ///   - source: Where the text is from, for people.
  /// - Throws: `RequestError` with code `invalidOption`; the message names the byte.
  package init(
    _ text: String,
    allowsRepeatedNames: Bool = false,
    source: String = "responseFormat"
  ) throws(RequestError) {
    var parser = JSONDocumentParser(
      bytes: Array(text.utf8),
      allowsRepeatedNames: allowsRepeatedNames,
      source: source
    )
    self = try parser.document()
  }

  package static func == (left: Self, right: Self) -> Bool {
    switch (left, right) {
    case (.null, .null): true
    case (.bool(let left), .bool(let right)): left == right
    case (.number(let left), .number(let right)): left == right
    case (.string(let left), .string(let right)): left.hasSameBytes(as: right)
    case (.array(let left), .array(let right)): left == right
    case (.object(let left), .object(let right)): left == right
    default: false
    }
  }

  /// The value of a member of an object.
  package subscript(name: String) -> JSONDocument? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.name.hasSameBytes(as: name) }?.value
  }

  /// The value as the shortest JSON text.
  package var text: String {
    switch self {
    case .null: "null"
    case .bool(let value): value ? "true" : "false"
    case .number(let spelling): spelling
    case .string(let value): Self.quoted(value)
    case .array(let values): "[\(values.map(\.text).joined(separator: ","))]"
    case .object(let members):
      "{\(members.map { "\(Self.quoted($0.name)):\($0.value.text)" }.joined(separator: ","))}"
    }
  }

  /// A string as JSON writes it, with its quotes.
  package static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      case "\t": result += "\\t"
      case "\u{8}": result += "\\b"
      case "\u{c}": result += "\\f"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}

/// Reads a JSON text; depth and so the stack are bounded.
private struct JSONDocumentParser {
  private static let maximumDepth = 64

  let bytes: [UInt8]
  let allowsRepeatedNames: Bool
  let source: String
  private var index = 0

  init(bytes: [UInt8], allowsRepeatedNames: Bool, source: String) {
    self.source = source
    self.bytes = bytes
    self.allowsRepeatedNames = allowsRepeatedNames
  }

  mutating func document() throws(RequestError) -> JSONDocument {
    let value = try value(depth: 0)
    skipSpace()
    guard index == bytes.count else { throw invalid("text follows the value") }
    return value
  }

  private mutating func value(depth: Int) throws(RequestError) -> JSONDocument {
    guard depth < Self.maximumDepth else { throw invalid("it is nested deeper than \(Self.maximumDepth)") }
    skipSpace()
    guard index < bytes.count else { throw invalid("it ends where a value is expected") }
    switch bytes[index] {
    case UInt8(ascii: "{"):
      index += 1
      return .object(try members(depth: depth))
    case UInt8(ascii: "["):
      index += 1
      var values: [JSONDocument] = []
      if take("]") { return .array(values) }
      repeat { values.append(try value(depth: depth + 1)) } while take(",")
      try expect("]")
      return .array(values)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"):
      try word("true")
      return .bool(true)
    case UInt8(ascii: "f"):
      try word("false")
      return .bool(false)
    case UInt8(ascii: "n"):
      try word("null")
      return .null
    default: return .number(try number())
    }
  }

  private mutating func members(depth: Int) throws(RequestError) -> [JSONDocument.Member] {
    var members: [JSONDocument.Member] = []
    var names: Set<ByteText> = []
    if take("}") { return members }
    repeat {
      skipSpace()
      let name = try string()
      guard names.insert(ByteText(name)).inserted || allowsRepeatedNames else {
        throw invalid("'\(name)' occurs twice in an object")
      }
      try expect(":")
      members.append(JSONDocument.Member(name: name, value: try value(depth: depth + 1)))
    } while take(",")
    try expect("}")
    return members
  }

  private mutating func number() throws(RequestError) -> String {
    let start = index
    func digits(_ parser: inout Self) throws(RequestError) {
      let first = parser.index
      while parser.index < parser.bytes.count, (0x30...0x39).contains(parser.bytes[parser.index]) {
        parser.index += 1
      }
      guard parser.index > first else { throw parser.invalid("a value is expected") }
    }
    takeByte("-")
    let first = index
    try digits(&self)
    guard bytes[first] != 0x30 || index == first + 1 else { throw invalid("a number begins with 0") }
    if takeByte(".") { try digits(&self) }
    if takeByte("e") || takeByte("E") {
      if !takeByte("+") { takeByte("-") }
      try digits(&self)
    }
    return String(decoding: bytes[start..<index], as: UTF8.self)
  }

  private mutating func string() throws(RequestError) -> String {
    guard takeByte("\"") else { throw invalid("a string is expected") }
    var result: [UInt8] = []
    while index < bytes.count {
      let byte = bytes[index]
      index += 1
      switch byte {
      case UInt8(ascii: "\""): return String(decoding: result, as: UTF8.self)
      case UInt8(ascii: "\\"): result += Array(String(Character(try escape())).utf8)
      case ..<0x20: throw invalid("a string holds a control character")
      default: result.append(byte)
      }
    }
    throw invalid("a string does not end")
  }

  private mutating func escape() throws(RequestError) -> Unicode.Scalar {
    guard index < bytes.count else { throw invalid("a string does not end") }
    let byte = bytes[index]
    index += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{c}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"):
      var value = try codeUnit()
      if (0xD800..<0xDC00).contains(value), takeByte("\\"), takeByte("u") {
        let low = try codeUnit()
        guard (0xDC00..<0xE000).contains(low) else { throw invalid("a surrogate stands alone") }
        let high = value - 0xD800
        value = 0x10000 + high * 0x400
        value += low - 0xDC00
      }
      guard let scalar = Unicode.Scalar(value) else { throw invalid("a surrogate stands alone") }
      return scalar
    default: throw invalid("an escape is unknown")
    }
  }

  private mutating func codeUnit() throws(RequestError) -> UInt32 {
    let digits = bytes[index...].prefix(4)
    // A sign is no digit, though a number may begin with one.
    guard digits.count == 4, let first = digits.first, first != UInt8(ascii: "+"), first != UInt8(ascii: "-"),
      let value = UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
    else { throw invalid("an escape needs four hexadecimal digits") }
    index += 4
    return value
  }

  // MARK: - Bytes

  private static func isSpace(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x20, 0x09, 0x0A, 0x0D: true
    default: false
    }
  }

  private mutating func skipSpace() {
    while index < bytes.count, Self.isSpace(bytes[index]) { index += 1 }
  }

  @discardableResult
  private mutating func takeByte(_ scalar: Unicode.Scalar) -> Bool {
    guard index < bytes.count, bytes[index] == UInt8(ascii: scalar) else { return false }
    index += 1
    return true
  }

  private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
    skipSpace()
    return takeByte(scalar)
  }

  private mutating func expect(_ scalar: Unicode.Scalar) throws(RequestError) {
    guard take(scalar) else { throw invalid("'\(scalar)' is expected") }
  }

  private mutating func word(_ word: String) throws(RequestError) {
    guard bytes[index...].starts(with: word.utf8) else { throw invalid("a value is expected") }
    index += word.utf8.count
  }

  private func invalid(_ reason: String) -> RequestError {
    RequestError(.invalidOption, "\(source) holds no valid JSON: \(reason), at byte \(index).")
  }
}
