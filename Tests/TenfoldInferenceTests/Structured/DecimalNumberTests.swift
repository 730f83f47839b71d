// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import TenfoldInference

@Suite("A JSON number's value")
struct DecimalNumberTests {
  @Test(
    "equals that of other spellings and no other value",
    arguments: [
      ["0", "-0", "0.000", "0e7", "-0.0E-9"], ["1", "1.0", "10e-1", "0.01E+2"], ["-1", "-1.00", "-0.1e1"],
      ["100", "1e2", "100.0", "0.001e5"], ["0.5", "5e-1", "0.500"], ["1e400", "10e399"],
      ["12345678901234567890", "1234567890123456789e1"], ["12345678901234567891"],
    ]
  )
  func equality(spellings: [String]) {
    let values = Set(spellings.map { DecimalNumber($0) })
    #expect(values.count == 1)
    for other in ["7", "-100", "0.05", "1e399", "12345678901234567892"] {
      #expect(!values.contains(DecimalNumber(other)))
    }
  }

  @Test(
    "is an integer where it has no fraction, the nearest one where it is too large",
    arguments: [
      ("0", 0), ("-0.0", 0), ("1e2", 100), ("-12.50e1", -125), ("0.5", nil), ("-1e-1", nil), ("12e-1", nil),
      ("9223372036854775807", .max), ("9223372036854775808", .max), ("-9223372036854775808", .min),
      ("-1e30", .min), ("1e999999999999999", .max),
    ] as [(String, Int?)]
  )
  func integers(text: String, value: Int?) {
    let number = DecimalNumber(text)
    #expect(number?.integer == value)
    #expect(number?.isInteger == (value != nil))
  }

  @Test("is not read beyond exponents of 15 digits")
  func exponents() { #expect(DecimalNumber("1e9999999999999999999") == nil) }
}
