// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Reads the JSON of a safetensors header: objects, strings and arrays of natural numbers; nothing else occurs.
///
/// No recursion, no lookahead; memory is bounded by the header, whose length is checked before.
struct SafetensorsJSON {
  private let bytes: [UInt8]
  private let path: String
  private var index = 0

  init(bytes: [UInt8], path: String) {
    self.bytes = bytes
    self.path = path
  }

  /// Reads an object; `member` must read the value of the key it gets.
  mutating func object(
    _ member: (inout SafetensorsJSON, String) throws(ModelError) -> Void
  ) throws(ModelError) {
    try expect(UInt8(ascii: "{"))
    if take(UInt8(ascii: "}")) { return }
    repeat {
      let key = try string()
      try expect(UInt8(ascii: ":"))
      try member(&self, key)
    } while take(UInt8(ascii: ","))
    try expect(UInt8(ascii: "}"))
  }

  /// Reads an array of natural numbers.
  mutating func integers(limit: Int) throws(ModelError) -> [Int] {
    try expect(UInt8(ascii: "["))
    var values: [Int] = []
    if take(UInt8(ascii: "]")) { return values }
    repeat {
      guard values.count < limit else { throw invalid("an array has more than \(limit) numbers") }
      values.append(try integer())
    } while take(UInt8(ascii: ","))
    try expect(UInt8(ascii: "]"))
    return values
  }

  private mutating func integer() throws(ModelError) -> Int {
    skipSpace()
    var value = 0
    var digits = 0
    while index < bytes.count, bytes[index] >= 0x30, bytes[index] <= 0x39 {
      let (tens, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, carry) = tens.addingReportingOverflow(Int(bytes[index] - 0x30))
      guard !overflow, !carry else { throw invalid("a number overflows") }
      value = sum
      digits += 1
      index += 1
    }
    guard digits > 0 else { throw invalid("a natural number is expected") }
    return value
  }

  /// Reads a string.
  mutating func string() throws(ModelError) -> String {
    try expect(UInt8(ascii: "\""))
    var text: [UInt8] = []
    while index < bytes.count {
      let byte = bytes[index]
      index += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let string = String(validating: text, as: UTF8.self) else {
          throw invalid("a string is not UTF-8")
        }
        return string
      case UInt8(ascii: "\\"): try escape(into: &text)
      case 0..<0x20: throw invalid("a string holds a control character")
      default: text.append(byte)
      }
    }
    throw invalid("a string does not end")
  }

  private mutating func escape(into text: inout [UInt8]) throws(ModelError) {
    guard index < bytes.count else { throw invalid("a string does not end") }
    let byte = bytes[index]
    index += 1
    switch byte {
    case UInt8(ascii: "n"): text.append(0x0a)
    case UInt8(ascii: "t"): text.append(0x09)
    case UInt8(ascii: "r"): text.append(0x0d)
    case UInt8(ascii: "b"): text.append(0x08)
    case UInt8(ascii: "f"): text.append(0x0c)
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
    case UInt8(ascii: "u"):
      var scalar = try unit()
      if (0xd800..<0xdc00).contains(scalar) {
        guard index + 1 < bytes.count, bytes[index] == UInt8(ascii: "\\"),
          bytes[index + 1] == UInt8(ascii: "u")
        else { throw invalid("a surrogate stands alone") }
        index += 2
        let low = try unit()
        guard (0xdc00..<0xe000).contains(low) else { throw invalid("a surrogate stands alone") }
        scalar = 0x10000 + (scalar - 0xd800) << 10 + (low - 0xdc00)
      }
      guard Unicode.Scalar(scalar) != nil else { throw invalid("a surrogate stands alone") }
      UTF8Scanner.append(scalar, to: &text)
    default: throw invalid("a string holds an unknown escape")
    }
  }

  private mutating func unit() throws(ModelError) -> UInt32 {
    guard index + 4 <= bytes.count else { throw invalid("a string does not end") }
    var value: UInt32 = 0
    for byte in bytes[index..<index + 4] {
      guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw invalid("an escape is not hexadecimal")
      }
      value = value << 4 | UInt32(digit)
    }
    index += 4
    return value
  }

  /// Makes sure that only padding follows.
  mutating func end() throws(ModelError) {
    skipSpace()
    guard index == bytes.count else { throw invalid("something follows the last brace") }
  }

  private mutating func skipSpace() {
    while index < bytes.count, [0x20, 0x09, 0x0a, 0x0d].contains(bytes[index]) { index += 1 }
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    skipSpace()
    guard index < bytes.count, bytes[index] == byte else { return false }
    index += 1
    return true
  }

  private mutating func expect(_ byte: UInt8) throws(ModelError) {
    guard take(byte) else { throw invalid("“\(Character(Unicode.Scalar(byte)))” is expected") }
  }

  private func invalid(_ reason: String) -> ModelError {
    ModelError(
      .invalidHeader,
      "\(path): the header is not valid at byte \(8 + index): \(reason). Fetch the file again."
    )
  }
}
