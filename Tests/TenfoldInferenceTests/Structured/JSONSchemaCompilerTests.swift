// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldCore
import Testing

@testable import TenfoldInference

/// Tokens made up for tests of structured output: every byte, and pieces that JSON is often made of.
enum StructuredVocabulary {
  static let end: Int32 = 256
  static let pieces: [[UInt8]] =
    (0...255).map { [$0] } + [[]]
    + [
      "{\"", "\":", "\", \"", "\": ", "\"}", "true", "false", "null", "name", "ab", "abc", "12", "345", "-1",
      "0.",
      "}}", "]}", ", ", "\":\"", "ü", "é\"", "日本", "\\\"", "\\u00", "[{", "[[", "1,", "x\",\"",
    ].map { Array($0.utf8) } + [[0xC3], [0xA9, 0x22], [0xF0, 0x9F], [0x98, 0x80]]

  static let trie = VocabularyTrie(count: pieces.count) { pieces[Int($0)] }

  static func text(_ tokens: [Int32]) -> [UInt8] { tokens.flatMap { pieces[Int($0)] } }

  static func automaton(_ grammar: Grammar) -> GrammarAutomaton {
    GrammarAutomaton(grammar: grammar, trie: trie)
  }

  /// A text of a grammar: some tokens at random, at most `limit`, then a shortest way to the end.
  static func walk(
    _ automaton: GrammarAutomaton,
    upTo limit: Int,
    _ random: inout SamplerRandom
  ) throws -> [UInt8] {
    var (state, bytes) = (automaton.start(), [UInt8]())
    for _ in 0..<Int.random(in: 0...limit, using: &random) {
      let mask = try automaton.mask(state)
      guard let token = pieces.indices.filter({ mask.contains(Int32($0)) }).randomElement(using: &random)
      else { break }
      bytes += pieces[token]
      state = automaton.next(state, pieces[token])
    }
    return bytes + text(try #require(automaton.completion(state)))
  }

  /// Whether a grammar allows a text.
  static func allows(_ grammar: Grammar, _ text: String) -> Bool {
    let automaton = automaton(grammar)
    let state = automaton.next(automaton.start(), Array(text.utf8))
    return state != GrammarAutomaton.dead && automaton.accepts(state)
  }
}

@Suite("A JSON schema's grammar")
struct JSONSchemaCompilerTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var schema: String
    var good: [String]
    var bad: [String]

    init(_ schema: String, _ good: [String], not bad: [String]) {
      (self.schema, self.good, self.bad) = (schema, good, bad)
    }

    var testDescription: String { schema }
  }

  static let cases = [
    Case(#"{"type": "null"}"#, ["null"], not: ["nul", "nulll", ""]),
    Case(#"{"type": "boolean"}"#, ["true", "false"], not: ["True", "0"]),
    Case(
      #"{"type": "integer"}"#,
      ["0", "-1", "12", "999999999999999999"],
      not: ["01", "1.0", "+1", "-", "1e3", "1000000000000000000"]
    ),
    Case(
      #"{"type": "integer", "minimum": 3, "maximum": 120}"#,
      ["3", "9", "10", "99", "100", "119", "120"],
      not: ["2", "0", "121", "1000", "-5", "03"]
    ),
    Case(
      #"{"type": "integer", "exclusiveMinimum": -21, "exclusiveMaximum": 10}"#,
      ["-20", "-7", "-1", "0", "9"],
      not: ["-21", "-200", "10", "-0"]
    ),
    Case(
      #"{"type": "number"}"#,
      ["0", "-0.5", "1e5", "12.25E-03", "3"],
      not: [".5", "1.", "1e", "00", "1e100", "NaN"]
    ),
    Case(
      #"{"type": "number", "minimum": 0, "maximum": 1}"#,
      ["0", "0.0", "0.5", "0.999999", "1"],
      not: ["1.0", "1.5", "2", "-0.1", "1e-3", "10"]
    ),
    Case(
      #"{"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 12.5}"#,
      ["0.001", "0.5", "1", "9.99", "12", "12.4", "12.49", "12.0"],
      not: ["0", "0.0", "-0", "12.5", "12.50", "12.51", "13", "-1", "120"]
    ),
    Case(
      #"{"type": "number", "minimum": -3.25, "maximum": -0.05}"#,
      ["-3.25", "-3.2", "-3", "-2.999", "-0.05", "-0.06", "-0.1", "-1"],
      not: ["-3.26", "-4", "0", "-0.04", "-0", "3", "0.05"]
    ),
    Case(
      #"{"type": "number", "exclusiveMaximum": 0}"#,
      ["-0.1", "-5", "-123456.75"],
      not: ["0", "-0", "-0.0", "1"]
    ),
    Case(
      #"{"type": "number", "minimum": 0.25, "exclusiveMaximum": 0.98765}"#,
      ["0.25", "0.250", "0.2500", "0.25001", "0.9", "0.98764"],
      not: ["0.2", "0.249", "0.24999", "0.98765"]
    ),
    // With more digits a number would be read as the bound, which is excluded.
    Case(
      #"{"type": "number", "exclusiveMaximum": 100}"#,
      ["99.999999999999", "99.5", "-1000000.5"],
      not: ["99.9999999999999999", "99.9999999999999", "100"]
    ),
    Case(
      #"{"type": "number", "exclusiveMinimum": 1, "maximum": 2.5}"#,
      ["1.00000000000001", "1.5", "2", "2.5"],
      not: ["1", "1.0", "1.0000000000000001", "2.51"]
    ),
    Case(
      #"{"type": "integer", "minimum": 1.0, "exclusiveMaximum": 3e0}"#,
      ["1", "2"],
      not: ["0", "3", "1.0"]
    ),
    Case(
      #"{"type": ["number", "null"], "minimum": 2.50}"#,
      ["null", "2.5", "2.51", "3", "100"],
      not: ["2.4", "2"]
    ),
    Case(
      #"{"type": "string"}"#,
      [#""""#, #""a b""#, #""é\n\"\u00e9""#, #""😀""#, #""\ud7ff\uE000""#],
      not: [#"""#, "\"\n\"", #""\x""#, #""\ud800""#, #""\uDFFF""#, #""a"b"#]
    ),
    Case(
      #"{"type": "string", "minLength": 2, "maxLength": 3}"#,
      [#""ab""#, #""日本語""#, #""\n\u0041""#],
      not: [#""a""#, #""abcd""#]
    ),
    Case(
      #"{"enum": ["a", 1, null, {"b": [true]}]}"#,
      [#""a""#, "1", "null", #"{"b":[true]}"#],
      not: ["a", "2"]
    ),
    Case(#"{"type": "integer", "enum": ["a", 1, 2.5]}"#, ["1"], not: [#""a""#, "2.5"]),
    // Equal numbers are equal however they are spelled, and so are objects in whatever order their members stand.
    Case(
      #"{"type": "integer", "enum": [1.0, 20e-1, 2.5, 12345678901234567890]}"#,
      ["1.0", "20e-1", "12345678901234567890"],
      not: ["1", "2.5"]
    ),
    Case(#"{"type": "integer", "const": 1e2}"#, ["1e2"], not: ["100"]),
    Case(
      #"{"enum": [1, {"a": 1.0, "b": [0.5]}, {"a": 1}], "const": {"b": [5e-1], "a": 1}}"#,
      [#"{"a":1.0,"b":[0.5]}"#],
      not: ["1", #"{"a":1}"#]
    ),
    Case(
      #"{"type": "string", "minLength": 1.0, "maxLength": 0.2e1}"#,
      [#""a""#, #""ab""#],
      not: [#""""#, #""abc""#]
    ),
    Case(#"{"const": "q\"uote"}"#, [#""q\"uote""#], not: [#""q""#]),
    Case(#"{"type": ["string", "null"], "maxLength": 1}"#, ["null", #""x""#], not: [#""xy""#, "1"]),
    Case(#"{"type": "array"}"#, ["[]", "[1]", #"[1, "a",[{"b":null}]]"#], not: ["[1,]", "[,1]", "[1 2]"]),
    Case(
      #"{"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 2}"#,
      ["[true]", "[true,false]", "[true, false]"],
      not: ["[]", "[true,true,true]", "[1]"]
    ),
    Case(
      #"{"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": false, "minItems": 1}"#,
      ["[1]", #"[1,"a"]"#],
      not: ["[]", #"["a"]"#, #"[1,"a",2]"#, "[1,2]"]
    ),
    Case(
      #"{"type": "array", "prefixItems": [{"type": "integer"}], "items": {"type": "null"}, "maxItems": 3}"#,
      ["[]", "[1]", "[1,null]", "[1,null,null]"],
      not: ["[null]", "[1,null,null,null]"]
    ),
    Case(
      #"{"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "null"}}, "required": ["b"]}"#,
      [#"{"b":null}"#, #"{"a": 1, "b": null}"#],
      not: ["{}", #"{"a":1}"#, #"{"b":null,"a":1}"#, #"{"a":1,"a":1,"b":null}"#, #"{"b":null,"c":1}"#]
    ),
    Case(
      #"{"type": "object", "properties": {"a": {"type": "null"}, "b": {"type": "null"}, "c": {"type": "null"}}}"#,
      ["{}", #"{"a":null}"#, #"{"c":null}"#, #"{"a":null,"c":null}"#, #"{"b":null,"c":null}"#],
      not: [#"{,"c":null}"#, #"{"a":null,}"#]
    ),
    Case(
      #"{"type": "object", "properties": {"ab": {"type": "null"}}, "additionalProperties": {"type": "integer"}}"#,
      ["{}", #"{"ab":null}"#, #"{"a":1}"#, #"{"abc":1}"#, #"{"ab":null, "b_9":2,"x":3}"#],
      not: [#"{"ab":1}"#, #"{"x":3,"ab":1}"#, #"{"":1}"#, #"{"x":null}"#]
    ),
    Case(
      #"{"type": "object", "required": ["z"], "additionalProperties": {"type": "boolean"}}"#,
      [#"{"z":true}"#, #"{"z":true,"y":false}"#],
      not: ["{}", #"{"y":false}"#]
    ),
    Case(
      #"{"type": "object", "properties": {"größe": {"type": "null"}}, "additionalProperties": {"type": "integer"}}"#,
      [#"{"größe":null}"#, #"{"a b-c":1}"#, #"{"日本":1,"$x.y/z":2}"#, #"{"gro":1}"#],
      not: [#"{"größe":1}"#, #"{"a\u0062":1}"#, #"{"":1}"#]
    ),
    Case(#"{"type": "object", "required": ["a", "a"]}"#, [#"{"a":1}"#], not: [#"{"a":1,"a":1}"#]),
    Case(#"{"anyOf": [{"type": "integer"}, {"const": "none"}]}"#, ["7", #""none""#], not: ["none", "null"]),
    Case(
      ##"{"$ref": "#/$defs/tree", "$defs": {"tree": {"type": "object", "properties": {"value": {"type": "integer"}, "children": {"type": "array", "items": {"$ref": "#/$defs/tree"}}}, "required": ["value"]}}}"##,
      [#"{"value":1}"#, #"{"value":1,"children":[{"value":2,"children":[]},{"value":3}]}"#],
      not: [#"{"children":[]}"#, #"{"value":1,"children":[{}]}"#]
    ),
    Case(
      ##"{"anyOf": [{"type": "null"}, {"type": "array", "items": {"$ref": "#"}}]}"##,
      ["null", "[]", "[null,[[],null]]"],
      not: ["[1]", "[[null]"]
    ),
    Case("{}", ["1", "null", #"{"a":[1,{"b":"c"}]}"#], not: ["", "{1:2}"]),
    Case("true", ["[]"], not: [""]),
  ]

  @Test("allows what the schema allows and nothing else", arguments: cases)
  func language(of item: Case) throws {
    let grammar = try JSONSchemaCompiler.grammar(item.schema)
    for text in item.good { #expect(StructuredVocabulary.allows(grammar, text), "\(text)") }
    for text in item.bad { #expect(!StructuredVocabulary.allows(grammar, text), "\(text)") }
  }

  @Test("keeps numbers between their bounds, and allows those that are", arguments: 0..<300)
  func bounds(seed: UInt64) throws {
    var random = SamplerRandom(seed: seed)
    func decimal() -> String {
      let digits = Int.random(in: 0...3, using: &random)
      let value = Int.random(in: -2_000...2_000, using: &random) / (Bool.random(using: &random) ? 1 : 40)
      let scale = [1, 10, 100, 1_000][digits]
      let (whole, rest) = value.magnitude.quotientAndRemainder(dividingBy: UInt(scale))
      let fraction = String(rest + UInt(scale)).dropFirst()
      return (value < 0 ? "-" : "") + "\(whole)" + (digits == 0 ? "" : ".\(fraction)")
    }
    func exact(_ text: String) throws -> Decimal { try #require(Decimal(string: text)) }
    let (low, high) = (decimal(), decimal())
    let isStrict = (low: Bool.random(using: &random), high: Bool.random(using: &random))
    let has = (
      low: Int.random(in: 0..<4, using: &random) > 0, high: Int.random(in: 0..<4, using: &random) > 0
    )
    var keys = [#""type": "number""#]
    if has.low { keys.append("\"\(isStrict.low ? "exclusiveMinimum" : "minimum")\": \(low)") }
    if has.high { keys.append("\"\(isStrict.high ? "exclusiveMaximum" : "maximum")\": \(high)") }
    let schema = "{\(keys.joined(separator: ", "))}"
    let (least, most) = (try exact(low), try exact(high))
    func isAllowed(_ value: Decimal) -> Bool {
      (!has.low || (isStrict.low ? value > least : value >= least))
        && (!has.high || (isStrict.high ? value < most : value <= most))
    }
    guard let grammar = try? JSONSchemaCompiler.grammar(schema) else {
      #expect(
        has.low && has.high && (least > most || least == most && (isStrict.low || isStrict.high)),
        "\(schema)"
      )
      return
    }
    for _ in 0..<40 {
      let text = decimal()
      // Zeros at the end may be left out where a bound is near; without them every number is to be had.
      var short = text
      if short.contains(".") {
        while short.hasSuffix("0") { short.removeLast() }
        if short.hasSuffix(".") { short.removeLast() }
      }
      let isIn = isAllowed(try exact(text))
      #expect(StructuredVocabulary.allows(grammar, short) == isIn, "seed \(seed): \(short) for \(schema)")
      #expect(isIn || !StructuredVocabulary.allows(grammar, text), "seed \(seed): \(text) for \(schema)")
    }
    // A walk at random stays within the bounds.
    let automaton = StructuredVocabulary.automaton(grammar)
    for _ in 0..<10 {
      var (state, text) = (automaton.start(), "")
      while text.count < 40 {
        let bytes = (0x2B...0x65).map { UInt8($0) }.filter {
          automaton.next(state, $0) != GrammarAutomaton.dead
        }
        guard let byte = bytes.randomElement(using: &random) else { break }
        if automaton.accepts(state), Int.random(in: 0..<4, using: &random) == 0 { break }
        text.unicodeScalars.append(UnicodeScalar(byte))
        state = automaton.next(state, byte)
      }
      guard automaton.accepts(state), !text.contains("e"), !text.contains("E") else { continue }
      #expect(isAllowed(try exact(text)), "seed \(seed): \(text) for \(schema)")
    }
  }

  @Test("keeps strict bounds of numbers that are read as doubles", arguments: 0..<200)
  func strictBounds(seed: UInt64) throws {
    var random = SamplerRandom(seed: seed)
    let bound =
      "\(Int.random(in: 0...[0, 9, 99_999, 9_999_999_999].randomElement(using: &random)!, using: &random))"
      + ["", ".5", ".125", ".0001"].randomElement(using: &random)!
    let value = try #require(Double(bound))
    for (sign, name, digits, isKept) in [
      ("", "exclusiveMaximum", "99887", { (read: Double) in read < value }),
      ("", "exclusiveMinimum", "00112", { (read: Double) in read > value }),
      ("-", "exclusiveMinimum", "99887", { (read: Double) in read > -value }),
      ("-", "exclusiveMaximum", "00112", { (read: Double) in read < -value }),
    ] {
      let schema = #"{"type": "number", "\#(name)": \#(sign)\#(bound)}"#
      let automaton = StructuredVocabulary.automaton(try JSONSchemaCompiler.grammar(schema))
      // As near to the bound as it gets: its own digits, or those of the whole number below, and then nines or noughts.
      for start in [sign + bound, sign + "\(max(0, Int(value) - 1))"] {
        var (state, text) = (automaton.start(), "")
        for byte in start.utf8 where automaton.next(state, byte) != GrammarAutomaton.dead {
          state = automaton.next(state, byte)
          text.unicodeScalars.append(UnicodeScalar(byte))
        }
        while text.utf8.count < 40 {
          let wanted = text.contains(".") ? Array(digits.utf8) : Array(".".utf8)
          guard let byte = wanted.first(where: { automaton.next(state, $0) != GrammarAutomaton.dead }) else {
            break
          }
          state = automaton.next(state, byte)
          text.unicodeScalars.append(UnicodeScalar(byte))
          guard automaton.accepts(state) else { continue }
          #expect(isKept(try #require(Double(text))), "seed \(seed): \(text) for \(schema)")
        }
      }
    }
  }

  @Test(
    "alternatives that begin alike within each other are followed so far and no further",
    .timeLimit(.minutes(5))
  )
  func ambiguity() throws {
    let depth = 40
    let rules = (0..<depth).map { level in
      let inner = level + 1 < depth ? ##"{"$ref": "#/$defs/n\##(level + 1)"}"## : #"{"type": "null"}"#
      return
        #""n\#(level)": {"anyOf": [{"type": "object", "properties": {"l": \#(inner), "a": {"type": "null"}},"#
        + #" "required": ["l", "a"]}, {"type": "object", "properties": {"l": \#(inner), "b": {"type": "null"}},"#
        + #" "required": ["l", "b"]}]}"#
    }
    let schema = ##"{"$ref": "#/$defs/n0", "$defs": {\##(rules.joined(separator: ", "))}}"##
    let automaton = StructuredVocabulary.automaton(try JSONSchemaCompiler.grammar(schema))
    var state = automaton.start()
    for _ in 0..<depth {
      state = automaton.next(state, Array(#"{"l":"#.utf8))
      try #require(state != GrammarAutomaton.dead)
      #expect(try !automaton.mask(state).isEmpty)
    }
    // Some way out is left; its text satisfies the schema.
    let ending = StructuredVocabulary.text(try #require(automaton.completion(state)))
    let text = String(repeating: #"{"l":"#, count: depth) + String(decoding: ending, as: UTF8.self)
    let document = try JSONDocument(schema)
    #expect(SchemaOracle.accepts(try JSONDocument(text), document, document))
  }

  @Test(
    "refuses what can't be satisfied",
    arguments: [
      "false", #"{"enum": []}"#, #"{"anyOf": []}"#, #"{"type": "string", "minLength": 3, "maxLength": 2}"#,
      #"{"type": "array", "items": false, "minItems": 1}"#,
      #"{"type": "integer", "minimum": 2, "maximum": 1}"#,
      #"{"type": "number", "minimum": 0.5, "maximum": 0.4}"#,
      #"{"type": "number", "exclusiveMinimum": 2, "maximum": 2}"#,
      #"{"type": "array", "minItems": 3, "maxItems": 2}"#, #"{"type": "integer", "enum": ["a"]}"#,
      #"{"type": "object", "required": ["a"], "additionalProperties": false}"#,
      #"{"type": "object", "properties": {"a": false}, "required": ["a"]}"#, ##"{"$ref": "#"}"##,
      ##"{"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}"##,
      ##"{"type": "array", "items": {"$ref": "#"}, "minItems": 1}"##,
    ]
  )
  func unsatisfiable(schema: String) {
    #expect(
      code { () throws(RequestError) in _ = try JSONSchemaCompiler.grammar(schema) } == .unsatisfiableFormat
    )
  }

  @Test(
    "refuses what it can't keep",
    arguments: [
      #"{"type": "string", "pattern": "(?=a)"}"#, #"{"type": "number", "minimum": 5e-1}"#,
      #"{"type": "number", "minimum": 1, "exclusiveMinimum": 0}"#, #"{"type": "string", "minimum": 0.5}"#,
      #"{"oneOf": [{}, {}]}"#,
      #"{"type": "array", "uniqueItems": true}"#, #"{"type": "object", "minProperties": 1}"#, #"{"not": {}}"#,
      #"{"type": "integer", "multipleOf": 3}"#, #"{"type": "null", "maxLength": 3}"#,
      #"{"allOf": [{"type": "null"}, {"type": "null"}]}"#, #"{"anyOf": [{}], "type": "null"}"#,
      ##"{"anyOf": [{"$ref": "#"}, {"type": "null"}]}"##, #"{"$ref": "https://example.org/schema"}"#,
      #"{"type": "string", "minLength": 1000000000}"#, #"{"type": "array", "items": {}, "minItems": 200000}"#,
      #"{"type": "integer", "minimum": 12345678901234567890}"#, #"{"type": "integer", "minimum": 0.5}"#,
      #"{"type": "number", "exclusiveMaximum": 12345678901.123456}"#,
      #"{"type": "number", "exclusiveMinimum": 1000, "maximum": 1000.0000000000001}"#,
      #"{"type": "string", "minLength": 1e30}"#,
    ]
  )
  func unsupported(schema: String) {
    #expect(
      code { () throws(RequestError) in _ = try JSONSchemaCompiler.grammar(schema) } == .unsupportedFormat
    )
  }

  @Test(
    "refuses what is no schema",
    arguments: [
      "", "{", "[1", "nul", #"{"a": 1, "a": 2}"#, "{} {}", "3", #"{"type": "strin"}"#, #"{"type": 3}"#,
      #"{"properties": []}"#, #"{"required": [1]}"#, #"{"enum": 1}"#, #"{"minLength": -1}"#, "\"\\ud800\"",
      #"{"minLength": 1.5}"#, #"{"const": "\u-000"}"#, #"{"const": "\u+041"}"#,
      ##"{"$ref": "#/$defs/none"}"##, "{\"title\": \"a\nb\"}", String(repeating: "[", count: 100_000),
    ]
  )
  func malformed(schema: String) {
    #expect(code { () throws(RequestError) in _ = try JSONSchemaCompiler.grammar(schema) } == .invalidOption)
  }

  @Test("takes work in proportion to a long list of values, and lists what stands there twice once")
  func longLists() throws {
    let ones = Array(repeating: "1", count: 40_000).joined(separator: ",")
    let same = try JSONSchemaCompiler.grammar(#"{"enum": [\#(ones)]}"#)
    #expect(same.nodes.count == 2 && same.work < 50_000)
    let values = (0..<8_000).map { #""v\#($0)""# }.joined(separator: ",")
    let different = try JSONSchemaCompiler.grammar(#"{"enum": [\#(values)]}"#)
    #expect(different.nodes.count > 50_000 && different.work < 8 * different.nodes.count)
    let nulls = Array(repeating: #""null""#, count: 30_000).joined(separator: ",")
    let types = try JSONSchemaCompiler.grammar(#"{"type": [\#(nulls)]}"#)
    #expect(types.nodes.count == 5 && types.work < 100)
    let none = #"{"type": [\#(nulls)], "enum": [\#(ones)]}"#
    #expect(
      code { () throws(RequestError) in _ = try JSONSchemaCompiler.grammar(none) } == .unsatisfiableFormat
    )
    // Equal to Unicode, but not the same bytes.
    let accents = try JSONSchemaCompiler.grammar("{\"enum\": [\"\u{E9}\", \"e\u{301}\"]}")
    #expect(StructuredVocabulary.allows(accents, "\"\u{E9}\""))
    #expect(StructuredVocabulary.allows(accents, "\"e\u{301}\""))
  }

  @Test("tells names and strings apart by their bytes")
  func bytes() throws {
    let (composed, decomposed) = ("\u{E9}", "e\u{301}")
    let both = try JSONSchemaCompiler.grammar(
      #"{"properties": {"\#(composed)": {"const": 1}}, "required": ["\#(decomposed)"], "additionalProperties": {"const": 2}}"#
    )
    #expect(StructuredVocabulary.allows(both, #"{"\#(composed)":1,"\#(decomposed)":2}"#))
    #expect(!StructuredVocabulary.allows(both, #"{"\#(composed)":1}"#))
    let members = try JSONSchemaCompiler.grammar(
      #"{"properties": {"\#(composed)": {"const": 1}, "\#(decomposed)": {"const": 2}}}"#
    )
    #expect(StructuredVocabulary.allows(members, #"{"\#(composed)":1,"\#(decomposed)":2}"#))
    let references = try JSONSchemaCompiler.grammar(
      ##"""
      {"$ref": "#/$defs/\##(decomposed)", "$defs": {"\##(composed)": {"const": 1}, "\##(decomposed)": {"const": 2}}}
      """##
    )
    #expect(StructuredVocabulary.allows(references, "2") && !StructuredVocabulary.allows(references, "1"))
    let none = #"{"enum": ["\#(composed)"], "const": "\#(decomposed)"}"#
    #expect(
      code { () throws(RequestError) in _ = try JSONSchemaCompiler.grammar(none) } == .unsatisfiableFormat
    )
  }

  @Test("finds definitions by both names, and the required members among many")
  func manyNames() throws {
    let names = (0..<2_000).map { "n\($0)" }
    let definitions = names.enumerated().map { index, name in
      let next = index + 1 < names.count ? ##"{"$ref": "#/$defs/n\##(index + 1)"}"## : #"{"const": 7}"#
      return #""\#(name)": {"anyOf": [\#(next)]}"#
    }
    let chain = try JSONSchemaCompiler.grammar(
      ##"{"$ref": "#/$defs/n0", "$defs": {\##(definitions.joined(separator: ","))}}"##
    )
    #expect(StructuredVocabulary.allows(chain, "7") && !StructuredVocabulary.allows(chain, "8"))
    let old = ##"{"$ref": "#/definitions/a", "definitions": {"a": {"const": 1}, "b/c": {"const": 2}}}"##
    #expect(StructuredVocabulary.allows(try JSONSchemaCompiler.grammar(old), "1"))
    let odd = old.replacing("definitions/a", with: "definitions/b/c")
    #expect(code { () throws(RequestError) in _ = try JSONSchemaCompiler.grammar(odd) } == .invalidOption)
    let properties = names.prefix(200).map { #""\#($0)": {"const": 1}"# }.joined(separator: ",")
    let object = try JSONSchemaCompiler.grammar(
      #"{"properties": {\#(properties)}, "required": ["n199", "n3", "n3"]}"#
    )
    #expect(StructuredVocabulary.allows(object, #"{"n3":1,"n199":1}"#))
    #expect(!StructuredVocabulary.allows(object, #"{"n3":1}"#))
  }

  private func code(_ body: () throws(RequestError) -> Void) -> RequestError.Code? {
    do {
      try body()
      return nil
    } catch {
      return error.code
    }
  }

  @Test("survives every cut and many a change of a schema", arguments: 0..<20)
  func fuzz(seed: UInt64) {
    var random = SamplerRandom(seed: seed)
    for item in Self.cases {
      var bytes = Array(item.schema.utf8)
      if seed % 2 == 0 {
        bytes.removeLast(Int.random(in: 0...bytes.count, using: &random))
      } else {
        for _ in 0..<3 {
          let other = Array(#"{}[]",:0-e#$/\u tfn9"#.utf8).randomElement(using: &random) ?? 0
          bytes[Int.random(in: 0..<bytes.count, using: &random)] = other
        }
      }
      let text = String(decoding: bytes, as: UTF8.self)
      // Either a grammar with an answer, or a typed error.
      if let grammar = try? JSONSchemaCompiler.grammar(text) {
        let automaton = StructuredVocabulary.automaton(grammar)
        #expect(automaton.completion(automaton.start()) != nil, "\(text)")
      }
    }
  }
}

@Suite("A grammar's text")
struct GrammarTextTests {
  @Test("allows what its rules allow")
  func language() throws {
    let grammar = try GrammarText.grammar(
      #"""
      # An answer and its reasons.
      root   ::= answer ", score " [1-9] [0-9]? reason{1,2} end*
      answer ::= "yes" | "no"
        | "p\"erhaps"
      reason ::= "\n- " [^\n\-]+
      end    ::= ( "." | "!" [é-ö] )
      """#
    )
    let good = ["yes, score 7\n- because", "no, score 42\n- a\n- b日", "p\"erhaps, score 1\n- x.!é"]
    let bad = [
      "yes, score 0\n- a", "no, score 7", "maybe, score 1\n- x", "no, score 7\n- a\n- b\n- c",
      "yes, score 7\n-",
    ]
    for text in good { #expect(StructuredVocabulary.allows(grammar, text), "\(text)") }
    for text in bad { #expect(!StructuredVocabulary.allows(grammar, text), "\(text)") }
  }

  @Test(
    "repeats what may be empty without end or effect",
    .timeLimit(.minutes(10)),
    arguments: [
      "root ::= \"a\" ws* \"b\"\nws ::= [ ]*", #"root ::= "a" (" "?)* "b""#, #"root ::= "a" (" "*)* "b""#,
      #"root ::= "a" (""{999999}){999999} " "? "b""#, #"root ::= "a" ("" | " "){0,5} "b""#,
    ]
  )
  func emptyRepetition(text: String) throws {
    let grammar = try GrammarText.grammar(text)
    #expect(try CompiledFormat(grammar: grammar, trie: StructuredVocabulary.trie).shortestAnswer <= 2)
    for good in ["ab", "a b"] { #expect(StructuredVocabulary.allows(grammar, good), "\(good)") }
    for bad in ["a", "b", "a  c"] { #expect(!StructuredVocabulary.allows(grammar, bad), "\(bad)") }
  }

  private static func nested(_ text: String, _ count: String, depth: Int = 60) -> String {
    String(repeating: "(", count: depth) + text + String(repeating: ")" + count, count: depth)
  }

  @Test(
    "reads what adds nothing once at each level, however deep it is nested",
    .timeLimit(.minutes(10)),
    arguments: ["{1,2}", "{2,3}", "{0,9}", "{3}", "?", "*", "{1,1}"]
  )
  func nestedEmptyRepetition(count: String) throws {
    for text in [#""""#, #""" """#, #"("")"#, #"""{5,7}"#] {
      let grammar = try GrammarText.grammar(#"root ::= "a" "# + Self.nested(text, count) + #" "b""#)
      #expect(grammar.work < 2_000, "\(text)\(count)")
      #expect(StructuredVocabulary.allows(grammar, "ab") && !StructuredVocabulary.allows(grammar, "aab"))
    }
  }

  @Test(
    "refuses what takes too much work, with a code",
    .timeLimit(.minutes(10)),
    arguments: [
      // Every level doubles what it holds.
      #"root ::= "a" "# + nested(#""" | """#, "{1,2}"), #"root ::= "# + nested(#""x""#, "{1,2}"),
      #"root ::= "a" "# + nested(#""""#, "+"), #"root ::= "a" "# + nested(#""""#, "{1,}"),
      // Much is read for each place, and each place has many ways on.
      "root ::= (" + String(repeating: #""" "#, count: 2_000) + #""a"){5000}"#,
      #"root ::= ("a" | "# + String(repeating: #""" | "#, count: 5_000) + #""b"){0,5000}"#,
    ]
  )
  func tooMuchWork(text: String) {
    let error = #expect(throws: RequestError.self) { try GrammarText.grammar(text) }
    #expect(error?.code == .unsupportedFormat)
  }

  @Test("follows rules that may be empty within each other so far and no further", .timeLimit(.minutes(10)))
  func nestedNullableRules() throws {
    for count in ["{1,2}", "{2,3}", "*", "?", "+"] {
      let rules = (0..<60).map { "r\($0) ::= r\($0 + 1)\(count)\n" }.joined() + "r60 ::= \"\"\n"
      let grammar = try GrammarText.grammar("root ::= \"a\" r0\n" + rules)
      let automaton = StructuredVocabulary.automaton(grammar)
      let state = automaton.next(automaton.start(), [0x61])
      try #require(state != GrammarAutomaton.dead, "\(count)")
      #expect(automaton.isTooLarge(state) || automaton.accepts(state), "\(count)")
      #expect(automaton.work < 40 * GrammarAutomaton.largestState, "\(count)")
      let first = try GrammarText.grammar("root ::= r0 \"a\"\n" + rules)
      do throws(RequestError) {
        #expect(try CompiledFormat(grammar: first, trie: StructuredVocabulary.trie).shortestAnswer == 1)
      } catch {
        #expect(error.code == .unsupportedFormat, "\(count)")
      }
    }
  }

  @Test("knows the distances that looking again and again would find", arguments: 0..<100)
  func distances(seed: UInt64) {
    var random = SamplerRandom(seed: seed)
    let count = Int.random(in: 2...24, using: &random)
    let ruleCount = Int.random(in: 1...4, using: &random)
    func place() -> Int32 { Int32.random(in: 0..<Int32(count), using: &random) }
    var nodes: [Grammar.Node] = [.end]
    while nodes.count < count {
      switch Int.random(in: 0..<5, using: &random) {
      case 0, 1: nodes.append(.bytes(low: 97, high: 99, next: place()))
      case 2, 3: nodes.append(.fork((0..<Int.random(in: 0...4, using: &random)).map { _ in place() }))
      default:
        nodes.append(.call(rule: Int32.random(in: 0..<Int32(ruleCount), using: &random), next: place()))
      }
    }
    let rules = (0..<ruleCount).map { _ in place() }
    var expected = [Int](repeating: Grammar.unreachable, count: count)
    for _ in 0...count {
      for (index, node) in nodes.enumerated() {
        let found =
          switch node {
          case .bytes(_, _, let next): expected[Int(next)] + 1
          case .fork(let options): options.map { expected[Int($0)] }.min() ?? Grammar.unreachable
          case .call(let rule, let next): expected[Int(rules[Int(rule)])] + expected[Int(next)]
          case .end: 0
          }
        expected[index] = min(expected[index], found)
      }
    }
    let grammar = Grammar(nodes: nodes, rules: rules)
    #expect(grammar.distances == expected, "seed \(seed)")
    let edges = nodes.reduce(0) { sum, node in
      switch node {
      case .fork(let options): sum + options.count
      case .call: sum + 2
      default: sum + 1
      }
    }
    #expect(grammar.work <= edges, "seed \(seed)")
  }

  @Test("follows an ambiguous rule that calls itself", .timeLimit(.minutes(10)))
  func ambiguousRule() throws {
    let automaton = StructuredVocabulary.automaton(
      try GrammarText.grammar(#"root ::= "a" | "a" root "x" | "a" root "y""#)
    )
    var state = automaton.start()
    for _ in 0..<200 { state = automaton.next(state, [0x61]) }
    #expect(state != GrammarAutomaton.dead && automaton.completion(state) != nil)
    #expect(try !automaton.mask(state).isEmpty)
  }

  @Test("follows the same ways of too many whatever was followed before", arguments: 0..<4)
  func sameWays(seed: UInt64) throws {
    let grammar = try GrammarText.grammar(#"root ::= "x" root "y" | "x" root "z" | """#)
    let fresh = StructuredVocabulary.automaton(grammar)
    func state(_ letters: Int, _ automaton: GrammarAutomaton, from state: Int32) -> Int32 {
      automaton.next(state, Array(repeating: UInt8(ascii: "x"), count: letters))
    }
    let middle = state(7, fresh, from: fresh.start())
    let whole = state(5, fresh, from: middle)
    // Another numbers the calls in whatever order it meets them.
    let other = StructuredVocabulary.automaton(grammar)
    let adopted = state(5, other, from: other.state(equalTo: middle, of: fresh))
    var random = SamplerRandom(seed: seed)
    var accepted = 0
    for _ in 0..<1_000 {
      let ending = (0..<12).map { _ in UInt8(ascii: Bool.random(using: &random) ? "y" : "z") }
      let (first, second) = (fresh.next(whole, ending), other.next(adopted, ending))
      #expect((first == GrammarAutomaton.dead) == (second == GrammarAutomaton.dead), "seed \(seed)")
      accepted += first == GrammarAutomaton.dead ? 0 : 1
    }
    #expect(accepted > 0 && accepted < 1_000, "seed \(seed)")
  }

  /// Forty rules, each of which is twice the next.
  private static let doubling =
    "root ::= r0\n" + (0..<40).map { "r\($0) ::= r\($0 + 1) r\($0 + 1)\n" }.joined() + "r40 ::= \"a\""

  @Test(
    "says so where a part has only answers that are too long, instead of leaving it out",
    arguments: [
      doubling.replacing("root ::= r0", with: "root ::= \"b\" | r0"),
      "root ::= x{1025}\nx ::= \"" + String(repeating: "a", count: 64) + "\"",
      "root ::= \"b\" | x{1025}\nx ::= \"" + String(repeating: "a", count: 64) + "\"",
    ]
  )
  func tooLong(rules: String) {
    let error = #expect(throws: RequestError.self) { try GrammarText.grammar(rules) }
    #expect(error?.code == .unsupportedFormat && error?.message.contains("65536 bytes") == true)
  }

  @Test("takes an answer that is just not too long")
  func longest() throws {
    let rules = "root ::= x{1024}\nx ::= \"" + String(repeating: "a", count: 64) + "\""
    let grammar = try GrammarText.grammar(rules)
    #expect(grammar.shortest == Grammar.longestWay && !grammar.isCut)
  }

  @Test("follows rules that refer to themselves")
  func recursion() throws {
    let grammar = try GrammarText.grammar(#"root ::= "(" root ")" root | """#)
    for text in ["", "()", "(())()", "((()()))"] {
      #expect(StructuredVocabulary.allows(grammar, text), "\(text)")
    }
    for text in ["(", ")", "(()", "())"] { #expect(!StructuredVocabulary.allows(grammar, text), "\(text)") }
  }

  @Test(
    "refuses with a code",
    arguments: [
      (#"root ::= "a"#, RequestError.Code.invalidOption), ("rot ::= \"a\"", .invalidOption),
      ("root ::= b", .invalidOption),
      ("root ::= [z-a]", .invalidOption), ("root ::= \"a\"{3,1}", .invalidOption),
      ("root ::= (\"a\"", .invalidOption),
      ("root := \"a\"", .invalidOption), ("", .invalidOption),
      ("root ::= \"a\"\nroot ::= \"b\"", .invalidOption),
      (String(repeating: "(", count: 50_000), .invalidOption), ("root ::= \"\\q\"", .invalidOption),
      ("root ::= " + String(repeating: "(", count: 50_000), .invalidOption),
      ("root ::= root \"a\" | \"b\"", .unsupportedFormat), ("root ::= \"a\"{999999}", .unsupportedFormat),
      ("root ::= x* root \"a\" | \"b\"\nx ::= \"c\"", .unsupportedFormat),
      ("root ::= \"a\" root", .unsatisfiableFormat), (Self.doubling, .unsupportedFormat),
      ("root ::= []", .unsatisfiableFormat),
    ]
  )
  func refusals(text: String, code: RequestError.Code) {
    let error = #expect(throws: RequestError.self) { try GrammarText.grammar(text) }
    #expect(error?.code == code)
  }
}

@Suite("UTF-8 of ranges")
struct UTF8RangesTests {
  @Test("match exactly the scalars of the range", arguments: 0..<40)
  func ranges(seed: UInt64) {
    var random = SamplerRandom(seed: seed)
    let limits: [UInt32] = [0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x10FFFF]
    func scalar() -> UInt32 {
      Bool.random(using: &random)
        ? limits.randomElement(using: &random) ?? 0 : UInt32.random(in: 0...0x10FFFF, using: &random)
    }
    let (a, b) = (scalar(), scalar())
    let range = min(a, b)...max(a, b)
    let sequences = UTF8Ranges.sequences(range)
    for value in (0..<400).map({ _ in scalar() }) + [range.lowerBound, range.upperBound] {
      guard let scalar = Unicode.Scalar(value) else { continue }
      let bytes = Array(String(Character(scalar)).utf8)
      let matches = sequences.filter { sequence in
        sequence.count == bytes.count && zip(sequence, bytes).allSatisfy { $0.contains($1) }
      }
      #expect(matches.count == (range.contains(value) ? 1 : 0), "\(value) in \(range)")
    }
  }
}
