// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A JSON number by its value, however it is spelled: `100`, `100.0` and `1e2` are equal.
struct DecimalNumber: Hashable, Sendable {
  private let isNegative: Bool
  /// The digits that count, without zeros at either end; none for zero.
  private let digits: [UInt8]
  /// The power of ten that the digits are multiplied by.
  private let exponent: Int

  /// Reads a JSON number; `nil` for an exponent of over 15 digits.
  init?(_ text: String) {
    let bytes = Array(text.utf8)
    let mark = bytes.firstIndex { $0 | 0x20 == UInt8(ascii: "e") } ?? bytes.count
    var exponent = 0
    if mark < bytes.count {
      let power = String(decoding: bytes[(mark + 1)...], as: UTF8.self)
      guard power.utf8.count <= 16, let value = Int(power) else { return nil }
      exponent = value
    }
    let parts = bytes[..<mark].split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    let sign = UInt8(ascii: "-")
    var digits = parts.joined().filter { $0 != sign }
    if parts.count > 1 { exponent -= parts[1].count }
    while digits.last == UInt8(ascii: "0") {
      digits.removeLast()
      exponent += 1
    }
    self.digits = Array(digits.drop { $0 == UInt8(ascii: "0") })
    // Zero has neither a sign nor a size.
    isNegative = bytes.first == sign && !self.digits.isEmpty
    self.exponent = self.digits.isEmpty ? 0 : exponent
  }

  /// Whether it has no fraction.
  var isInteger: Bool { exponent >= 0 }

  /// The number as an integer, the nearest one where it is too large for that; `nil` if it has a fraction.
  var integer: Int? {
    guard isInteger else { return nil }
    let limit = isNegative ? Int.min : Int.max
    guard digits.count + exponent <= 19 else { return limit }
    let text = String(decoding: digits, as: UTF8.self) + String(repeating: "0", count: exponent)
    return text.isEmpty ? 0 : Int((isNegative ? "-" : "") + text) ?? limit
  }
}
