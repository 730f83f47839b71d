// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Takes numbers and texts out of bytes that nobody vouches for.
package struct ByteReader {
  /// What is read.
  package let bytes: [UInt8]
  /// Where the next value starts.
  package private(set) var offset = 0
  private let name: String

  /// Creates a reader.
  ///
  /// - Parameters:
  ///   - bytes: What to read.
  ///   - name: What it is, for error messages.
  package init(_ bytes: [UInt8], name: String) {
    self.bytes = bytes
    self.name = name
  }

  /// Whether everything was read.
  package var isAtEnd: Bool { offset == bytes.count }

  /// How many bytes are left.
  package var remaining: Int { bytes.count - offset }

  /// The error for bytes that make no sense.
  package func malformed(_ reason: String) -> SectionFileError {
    SectionFileError(.corrupt, "\(name) is damaged at byte \(offset): \(reason)")
  }

  /// Takes a number in its full width.
  package mutating func read<Number: FixedWidthInteger>(
    _ type: Number.Type
  ) throws(SectionFileError) -> Number {
    let width = Number.bitWidth / 8
    guard remaining >= width else { throw malformed("it ends in the middle of a number") }
    var number: Number = 0
    for index in (0..<width).reversed() {
      number = (number << 8) | Number(truncatingIfNeeded: bytes[offset + index])
    }
    offset += width
    return number
  }

  /// Takes a float.
  package mutating func readFloat() throws(SectionFileError) -> Float {
    Float(bitPattern: try read(UInt32.self))
  }

  /// Takes a number in 7-bit groups.
  package mutating func readVarint() throws(SectionFileError) -> UInt64 {
    var number: UInt64 = 0
    var shift: UInt64 = 0
    while true {
      guard offset < bytes.count, shift < 64 else { throw malformed("a number has no end") }
      let byte = bytes[offset]
      offset += 1
      let group = UInt64(byte & 0x7f)
      guard shift < 63 || group <= 1 else { throw malformed("a number is too large") }
      number |= group << shift
      if byte < 0x80 { return number }
      shift += 7
    }
  }

  /// Takes a count of things of which each needs at least `width` bytes, so that it is safe to reserve room for them.
  package mutating func readCount(each width: Int) throws(SectionFileError) -> Int {
    let count = try readVarint()
    guard count <= UInt64(remaining / max(1, width)) else {
      throw malformed("a count is larger than the file")
    }
    return Int(count)
  }

  /// Takes a text.
  package mutating func readText() throws(SectionFileError) -> String {
    let count = try readCount(each: 1)
    guard let text = String(validating: bytes[offset..<offset + count], as: UTF8.self) else {
      throw malformed("a text is not UTF-8")
    }
    offset += count
    return text
  }

  /// Takes bytes as they are.
  package mutating func readBytes(_ count: Int) throws(SectionFileError) -> [UInt8] {
    guard count >= 0, remaining >= count else { throw malformed("it ends too early") }
    defer { offset += count }
    return Array(bytes[offset..<offset + count])
  }
}
