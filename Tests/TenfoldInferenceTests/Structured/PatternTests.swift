// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldCore
import Testing

@testable import TenfoldInference

@Suite("A schema's patterns and formats")
struct PatternTests {
  /// A pattern, and one that means the same to Foundation, whose classes and ends of lines are others.
  struct Case: Sendable, CustomTestStringConvertible {
    var pattern: String
    var foundation: String

    init(_ pattern: String, _ foundation: String? = nil) {
      self.pattern = pattern
      self.foundation = foundation ?? pattern
    }

    var testDescription: String { pattern }
  }

  private static let space =
    #"\u0009-\u000D \u00A0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000\uFEFF"#
  static let cases = [
    Case("a+"), Case("^a+", #"\Aa+"#), Case("a+$", #"a+\z"#), Case("^a|b$", #"\Aa|b\z"#),
    Case("^$", #"\A\z"#), Case("", "(?:)"),
    Case("^(a|b)*abb$", #"\A(a|b)*abb\z"#),
    Case("^(?:ab|a)(?:c|bcd)(?<end>d*)$", #"\A(?:ab|a)(?:c|bcd)(d*)\z"#),
    Case(#"^\d{2,4}-\w+?\s\S$"#, "\\A[0-9]{2,4}-[0-9A-Za-z_]+[\(space)][^\(space)]\\z"),
    Case("^[^ab]{1,3}$", #"\A[^ab]{1,3}\z"#), Case(#"^[\^\-\]a-c"\\]*$"#, #"\A[\^\-\]a-c"\\]*\z"#),
    Case(#"^\u00e9\x41\n?\0?$"#, #"\Aé\u0041\n?\u0000?\z"#),
    Case(#"^(\ud83d\ude00|\u{1F601})+$"#, #"\A(😀|😁)+\z"#),
    Case("^.{2}$", #"\A[^\n\r\u2028\u2029]{2}\z"#), Case("(^a|b)(c|d$)", #"(\Aa|b)(c|d\z)"#),
    Case("^(a?b?){3}$", #"\A(a?b?){3}\z"#),
    Case("^(|a)+b{0}c{2}$", #"\A(|a)+c{2}\z"#), Case("^a{2,}b{0,2}$", #"\Aa{2,}b{0,2}\z"#),
    Case("a{,2}", #"a\{,2\}"#),
    Case("^(a$)?b", #"\A(a\z)?b"#), Case("^((^a|^)b){1,2}$", #"\A((\Aa|\A)b){1,2}\z"#), Case("x{", #"x\{"#),
    Case(#"^[\d\-z]+[^\W\d]$"#, #"\A[0-9\-z]+[A-Za-z_]\z"#), Case("^[^]$", #"\A(?s:.)\z"#),
  ]

  private func grammar(_ pattern: String, _ more: String = "") throws -> Grammar {
    try JSONSchemaCompiler.grammar(
      #"{"type": "string", "pattern": \#(JSONDocument.quoted(pattern))\#(more)}"#
    )
  }

  private func matches(_ expression: NSRegularExpression, _ text: String) -> Bool {
    expression.firstMatch(in: text, range: NSRange(text.startIndex..., in: text)) != nil
  }

  /// The string that a random text of a grammar holds.
  private func walk(_ automaton: GrammarAutomaton, _ random: inout SamplerRandom) throws -> String {
    let bytes = try StructuredVocabulary.walk(automaton, upTo: 24, &random)
    let value = try JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)
    return try #require(value as? String, "\(String(decoding: bytes, as: UTF8.self))")
  }

  @Test("whatever is written matches, escapes and all", arguments: cases)
  func walks(item: Case) throws {
    let automaton = StructuredVocabulary.automaton(try grammar(item.pattern))
    let expression = try NSRegularExpression(pattern: item.foundation)
    for seed in UInt64(0)..<16 {
      var random = SamplerRandom(seed: seed)
      let text = try walk(automaton, &random)
      #expect(matches(expression, text), "seed \(seed): \(text.debugDescription)")
    }
  }

  @Test("everything that matches can be written, and nothing else", arguments: cases)
  func language(item: Case) throws {
    let grammar = try grammar(item.pattern)
    let expression = try NSRegularExpression(pattern: item.foundation)
    // Characters that the pattern is about, and some that it isn't.
    let alphabet = Array("aabbcdxz{,-^\"\\]A0129 é😀😁\n\u{0}\u{2028}_".unicodeScalars)
    for seed in UInt64(0)..<200 {
      var random = SamplerRandom(seed: seed)
      var text = String.UnicodeScalarView()
      let own = Array(item.pattern.unicodeScalars) + alphabet
      for _ in 0..<Int.random(in: 0...5, using: &random) {
        text.append((seed % 2 == 0 ? own : alphabet).randomElement(using: &random) ?? "a")
      }
      let isMatch = matches(expression, String(text))
      let isAllowed = StructuredVocabulary.allows(grammar, JSONDocument.quoted(String(text)))
      #expect(isAllowed == isMatch, "seed \(seed): \(String(text).debugDescription)")
    }
  }

  @Test("keeps limits of length beside a pattern and a format", arguments: 0..<30)
  func lengths(seed: UInt64) throws {
    var random = SamplerRandom(seed: seed)
    let minimum = Int.random(in: 0...6, using: &random)
    let maximum = seed % 3 == 0 ? nil : max(2, minimum) + Int.random(in: 0...8, using: &random)
    let more = #", "minLength": \#(minimum)"# + (maximum.map { #", "maxLength": \#($0)"# } ?? "")
    for (pattern, foundation) in [
      ("^(ab|é)*$", #"\A(ab|é)*\z"#), ("[0-9]{2}", "[0-9]{2}"), ("^[^a]+", #"\A[^a]+"#),
    ] {
      let expression = try NSRegularExpression(pattern: foundation)
      let grammar = try grammar(pattern, more)
      let automaton = StructuredVocabulary.automaton(grammar)
      for _ in 0..<8 {
        let text = try walk(automaton, &random)
        let count = text.unicodeScalars.count
        #expect(matches(expression, text), "seed \(seed): \(text)")
        #expect(count >= minimum && count <= maximum ?? .max, "seed \(seed): \(text)")
      }
      for _ in 0..<60 {
        let text = (0..<Int.random(in: 0...8, using: &random)).map { _ in
          ["ab", "é", "ab", "7", "12"].randomElement(using: &random) ?? ""
        }.joined()
        let count = text.unicodeScalars.count
        let isRight = matches(expression, text) && count >= minimum && count <= maximum ?? .max
        #expect(StructuredVocabulary.allows(grammar, "\"\(text)\"") == isRight, "seed \(seed): \(text)")
      }
    }
    let both = try grammar("^2.*Z$", #", "format": "date-time", "maxLength": 20"#)
    let text = try walk(StructuredVocabulary.automaton(both), &random)
    #expect(text.hasPrefix("2") && text.hasSuffix("Z") && text.count == 20, "seed \(seed): \(text)")
  }

  // MARK: - Formats

  private static func isDate(_ text: Substring) -> Bool {
    let parts = text.split(separator: "-", omittingEmptySubsequences: false)
    guard parts.map(\.count) == [4, 2, 2], let year = Int(parts[0]), let month = Int(parts[1]),
      let day = Int(parts[2])
    else { return false }
    let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    let days = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    return (1...12).contains(month) && (1...days[month - 1]).contains(day)
  }

  private static func isTime(_ text: Substring) -> Bool {
    func isClock(_ text: Substring, _ limits: [Int]) -> Bool {
      let parts = text.split(separator: ":", omittingEmptySubsequences: false)
      return parts.count == limits.count
        && zip(parts, limits).allSatisfy {
          $0.count == 2 && (Int($0) ?? 99) < $1 && $0.allSatisfy(\.isNumber)
        }
    }
    var clock = text
    if clock.last == "Z" {
      clock.removeLast()
    } else {
      guard let sign = clock.lastIndex(where: { "+-".contains($0) }) else { return false }
      guard isClock(clock[sign...].dropFirst(), [24, 60]) else { return false }
      clock = clock[..<sign]
    }
    let parts = clock.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count <= 2 && isClock(parts[0], [24, 60, 60])
      && (parts.count == 1 || !parts[1].isEmpty && parts[1].allSatisfy(\.isNumber))
  }

  private static func isHost(_ text: Substring) -> Bool {
    text.utf8.count <= 253
      && text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
        (1...63).contains(label.count) && label.first != "-" && label.last != "-"
          && label.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") }
      }
  }

  /// Whether a text is of a format, worked out without patterns.
  private static func isValid(_ text: String, _ format: String) -> Bool {
    switch format {
    case "date": return isDate(text[...])
    case "time": return isTime(text[...])
    case "date-time":
      return text.count > 11 && Array(text)[10] == "T" && isDate(text.prefix(10))
        && isTime(text.dropFirst(11))
    case "uuid": return UUID(uuidString: text) != nil && text.count == 36
    case "ipv4":
      let parts = text.split(separator: ".", omittingEmptySubsequences: false)
      return parts.count == 4
        && parts.allSatisfy { Int($0).map { "\($0)" == $0.description && $0 < 256 } ?? false }
        && parts.allSatisfy { String(Int($0) ?? -1) == $0 }
    case "email":
      let parts = text.split(separator: "@", omittingEmptySubsequences: false)
      guard parts.count == 2, (1...64).contains(parts[0].count), parts[1].contains("."), isHost(parts[1])
      else { return false }
      return parts[0].split(separator: ".", omittingEmptySubsequences: false).allSatisfy { part in
        !part.isEmpty && part.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "_%+-".contains($0)) }
      }
    default:
      guard let parts = URLComponents(string: text), let host = parts.host, parts.scheme != nil else {
        return false
      }
      return isHost(host[...]) && parts.url != nil
    }
  }

  static let kept = ["date", "time", "date-time", "uuid", "ipv4", "email", "uri"]

  @Test("whatever is written for a format is of it", arguments: kept)
  func formats(name: String) throws {
    let grammar = try JSONSchemaCompiler.grammar(#"{"type": "string", "format": "\#(name)"}"#)
    let automaton = StructuredVocabulary.automaton(grammar)
    for seed in UInt64(0)..<60 {
      var random = SamplerRandom(seed: seed)
      let text = try walk(automaton, &random)
      #expect(Self.isValid(text, name), "seed \(seed): \(text)")
    }
  }

  @Test(
    "what is usually written in a format is allowed, and what isn't in it is not",
    arguments: [
      (
        "date", ["2024-02-29", "2000-02-29", "1999-12-31", "2023-04-30"],
        ["2023-02-29", "1900-02-29", "2023-04-31", "2023-13-01", "24-1-1"]
      ),
      (
        "time", ["12:00:00Z", "23:59:59.123+05:30"], ["24:00:00Z", "12:00:00", "12:60:00Z", "12:00:00+24:00"]
      ),
      (
        "date-time", ["2024-02-29T08:15:30Z", "2025-01-01T00:00:00.5-08:00"],
        ["2024-02-30T08:15:30Z", "2024-02-29", "2024-02-29 08:15:30Z"]
      ),
      (
        "uuid", ["123e4567-e89b-12d3-a456-426614174000"],
        ["123e4567e89b12d3a456426614174000", "123e4567-e89b-12d3-a456-42661417400g"]
      ),
      ("ipv4", ["0.0.0.0", "192.168.1.255"], ["256.0.0.1", "1.2.3", "01.2.3.4"]),
      (
        "email", ["jo.do+x@mail.example.org"], ["jo", "jo@", "@example.org", "a..b@example.org", "jo@-x.org"]
      ),
      (
        "uri", ["https://example.org/a/b%20c?q=1&r=/#top", "http://localhost:8080", "ftp://a.b"],
        ["example.org", "http://", "https://a b.c", "http://x/%zz"]
      ),
    ]
  )
  func known(name: String, good: [String], bad: [String]) throws {
    let grammar = try JSONSchemaCompiler.grammar(#"{"type": ["string", "null"], "format": "\#(name)"}"#)
    for text in good {
      #expect(StructuredVocabulary.allows(grammar, "\"\(text)\""), "\(text)")
      #expect(Self.isValid(text, name), "\(text)")
    }
    for text in bad { #expect(!StructuredVocabulary.allows(grammar, "\"\(text)\""), "\(text)") }
    #expect(StructuredVocabulary.allows(grammar, "null"))
  }

  @Test(
    "other formats, and those of other types, are notes",
    arguments: [
      (#"{"type": "string", "format": "hostname"}"#, #""a b""#),
      (#"{"type": "string", "format": 7}"#, #""x""#),
      (#"{"type": "integer", "format": "date"}"#, "7"), (#"{"format": "date"}"#, "[1]"),
      (#"{"enum": ["x"], "format": "uuid"}"#, #""x""#),
    ]
  )
  func notes(schema: String, text: String) throws {
    #expect(StructuredVocabulary.allows(try JSONSchemaCompiler.grammar(schema), text))
  }

  // MARK: - Refusals

  @Test(
    "refuses what is not regular, by name",
    arguments: [
      ("(?=a)", "look-ahead"), ("(?!a)b", "look-ahead"), ("(?<=a)b", "look-behind"),
      ("(?<!a)b", "look-behind"),
      (#"(a)\1"#, "reference back"), (#"(?<n>a)\k<n>"#, "reference back"), (#"\bword\b"#, "word boundary"),
      (#"\p{L}+"#, "Unicode property"), ("(?i:a)", "'(?'"), (#"\cA"#, "control letter"), (#"\07"#, "octal"),
      (#"\ud800"#, "surrogate"), (#"\ud800\u{41}"#, "surrogate"), ("a{99999999999999999999}", "too large"),
      (String(repeating: "(", count: 100) + String(repeating: ")", count: 100), "deeper"),
    ]
  )
  func unsupported(pattern: String, name: String) throws {
    let error = #expect(throws: RequestError.self) { try grammar(pattern) }
    #expect(error?.code == .unsupportedFormat, "\(error?.message ?? "")")
    #expect(error?.message.contains(name) == true && error?.message.contains("#/pattern") == true)
  }

  @Test(
    "refuses what is no pattern",
    arguments: [
      "(a", "a)", "[a", "*a", "a**", "+", "a{2}{3}", "{2}", "a{3,2}", "[b-a]", #"[\d-x]"#, #"\q"#, #"\x4"#,
      #"\u{110000}"#,
      "^*", "(?<a", "\\", #"\u{}"#, "(?<>a)", "(?<1>a)",
    ]
  )
  func malformed(pattern: String) {
    let error = #expect(throws: RequestError.self) { try grammar(pattern) }
    #expect(error?.code == .invalidOption, "\(error?.message ?? "")")
  }

  @Test(
    "refuses what can't be satisfied, and what takes too much work",
    .timeLimit(.minutes(10)),
    arguments: [
      (#"{"pattern": "[]"}"#, RequestError.Code.unsatisfiableFormat),
      (#"{"pattern": "a^b"}"#, .unsatisfiableFormat),
      (#"{"pattern": "^ab$", "minLength": 3}"#, .unsatisfiableFormat),
      (#"{"pattern": "^a{5}", "maxLength": 4}"#, .unsatisfiableFormat),
      (#"{"type": "string", "pattern": "^x", "format": "date"}"#, .unsatisfiableFormat),
      (#"{"pattern": "a", "minLength": 3, "maxLength": 2}"#, .unsatisfiableFormat),
      (#"{"pattern": "((a{1,99}){1,99}){1,99}"}"#, .unsupportedFormat),
      (#"{"pattern": "((((((((((x?){9}){9}){9}){9}){9}){9}){9}){9}){9}){9}"}"#, .unsupportedFormat),
      (#"{"pattern": "^(a?){4000}$"}"#, .unsupportedFormat),
      (#"{"pattern": "^(a|b)*$", "minLength": 1000000000}"#, .unsupportedFormat),
      (#"{"pattern": "((((((((((((((((((^)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+"}"#, .unsupportedFormat),
      (#"{"pattern": 7}"#, .invalidOption), (#"{"type": "integer", "pattern": "7"}"#, .unsupportedFormat),
    ]
  )
  func limits(schema: String, code: RequestError.Code) {
    let error = #expect(throws: RequestError.self) { try JSONSchemaCompiler.grammar(schema) }
    #expect(error?.code == code, "\(error?.message ?? "")")
  }

  @Test("survives every cut and many a change of a pattern", arguments: 0..<20)
  func fuzz(seed: UInt64) {
    var random = SamplerRandom(seed: seed)
    for item in Self.cases {
      var scalars = Array(item.pattern.unicodeScalars)
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let other =
          Array(#"()[]{}|^$\?*+.-,0159ad<=!:xu"#.unicodeScalars).randomElement(using: &random) ?? "a"
        let place = Int.random(in: 0...scalars.count, using: &random)
        if place < scalars.count, Bool.random(using: &random) {
          scalars.remove(at: place)
        } else {
          scalars.insert(other, at: place)
        }
      }
      var text = String.UnicodeScalarView()
      text.append(contentsOf: scalars)
      // Either a grammar with an answer, or a typed error.
      if let grammar = try? grammar(String(text)) {
        let automaton = StructuredVocabulary.automaton(grammar)
        #expect(automaton.completion(automaton.start()) != nil, "seed \(seed): \(String(text))")
      }
    }
  }
}
