// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldCore
import Testing

@testable import TenfoldInference

@Suite("A schema's exclusive alternatives")
struct OneOfTests {
  /// What a schema means by its specification, for the keywords that these tests use.
  private static func satisfies(_ value: JSONDocument, _ schema: JSONDocument, _ root: JSONDocument) -> Bool {
    if schema == .bool(true) { return true }
    if schema == .bool(false) { return false }
    func number(_ name: String) -> Double? {
      guard case .number(let text)? = schema[name] else { return nil }
      return Double(text)
    }
    func list(_ name: String) -> [JSONDocument]? {
      guard case .array(let values)? = schema[name] else { return nil }
      return values
    }
    if case .string(let name)? = schema["$ref"] {
      let target = name == "#" ? root : root["$defs"]?[String(name.dropFirst(8))]
      return target.map { satisfies(value, $0, root) } ?? false
    }
    if let options = list("anyOf"), !options.contains(where: { satisfies(value, $0, root) }) { return false }
    if let options = list("oneOf"), options.count(where: { satisfies(value, $0, root) }) != 1 { return false }
    if let options = list("enum"), !options.contains(value) { return false }
    if let constant = schema["const"], constant != value { return false }
    if let type = schema["type"] {
      let names: [JSONDocument] = if case .array(let names) = type { names } else { [type] }
      guard names.contains(where: { if case .string(let name) = $0 { value.isOfType(name) } else { false } })
      else {
        return false
      }
    }
    switch value {
    case .number(let text):
      let value = Double(text) ?? .nan
      return value >= number("minimum") ?? -.infinity && value <= number("maximum") ?? .infinity
        && value > number("exclusiveMinimum") ?? -.infinity && value < number("exclusiveMaximum") ?? .infinity
    case .string(let text):
      let count = Double(text.unicodeScalars.count)
      return count >= number("minLength") ?? 0 && count <= number("maxLength") ?? .infinity
    case .array(let values):
      let count = Double(values.count)
      return count >= number("minItems") ?? 0 && count <= number("maxItems") ?? .infinity
        && values.allSatisfy { satisfies($0, schema["items"] ?? .bool(true), root) }
    case .object(let members):
      let names = members.map { JSONDocument.string($0.name) }
      return (list("required") ?? []).allSatisfy(names.contains)
        && members.allSatisfy { member in
          satisfies(
            member.value,
            schema["properties"]?[member.name] ?? schema["additionalProperties"] ?? .bool(true),
            root
          )
        }
    default: return true
    }
  }

  static let exclusive = [
    #"{"oneOf": [{"type": "string"}, {"type": "null"}, {"type": ["integer", "boolean"]}]}"#,
    #"{"oneOf": [{"const": 1}, {"enum": ["a", 2]}, {"const": "1"}]}"#,
    #"{"oneOf": [{"type": "integer", "maximum": 4}, {"type": "integer", "minimum": 5, "maximum": 9}]}"#,
    #"{"oneOf": [{"type": "number", "maximum": 0.5}, {"type": "number", "exclusiveMinimum": 0.5}]}"#,
    #"{"oneOf": [{"type": "string", "maxLength": 2}, {"type": "string", "minLength": 3, "maxLength": 5}]}"#,
    #"{"oneOf": [{"type": "array", "maxItems": 1}, {"type": "array", "minItems": 2, "maxItems": 3}]}"#,
    #"""
    {"oneOf": [
      {"type": "object", "properties": {"kind": {"const": "circle"}, "radius": {"type": "integer"}}, "required": ["kind"]},
      {"type": "object", "properties": {"kind": {"enum": ["square", "cube"]}, "side": {"type": "integer"}},
        "required": ["kind", "side"]}]}
    """#,
    // Neither writes what the other needs.
    #"""
    {"oneOf": [{"properties": {"a": {"type": "null"}, "c": {"type": "null"}}, "required": ["a"]},
      {"properties": {"b": {"type": "null"}, "c": {"type": "null"}}, "required": ["b"]}]}
    """#,
    // One may be empty and takes no other member; the other needs one.
    #"""
    {"oneOf": [{"type": "object", "properties": {"a": {"type": "null"}}, "additionalProperties": false},
      {"type": "object", "properties": {"b": {"type": "null"}}, "required": ["b"]}]}
    """#,
    ##"""
    {"oneOf": [{"$ref": "#/$defs/leaf"}, {"$ref": "#/$defs/tree"}], "$defs": {
      "leaf": {"type": "object", "properties": {"t": {"const": "leaf"}}, "required": ["t"]},
      "tree": {"type": "object", "properties": {"t": {"const": "tree"}, "l": {"$ref": "#"}}, "required": ["t", "l"]}}}
    """##,
    #"{"oneOf": [{"anyOf": [{"type": "null"}, {"type": "boolean"}]}, {"oneOf": [{"const": 1}, {"const": 2}]}]}"#,
    #"{"type": "array", "items": {"oneOf": [{"type": "null"}, {"type": "integer"}]}, "maxItems": 3}"#,
    #"{"oneOf": [{"type": "integer"}, false]}"#,
  ]

  @Test("whatever is written satisfies one alternative and no other", arguments: exclusive)
  func walks(schema: String) throws {
    let document = try JSONDocument(schema)
    let automaton = StructuredVocabulary.automaton(try JSONSchemaCompiler.grammar(schema))
    var texts: Set<String> = []
    for seed in UInt64(0)..<60 {
      var random = SamplerRandom(seed: seed)
      let bytes = try StructuredVocabulary.walk(automaton, upTo: 20, &random)
      let text = String(decoding: bytes, as: UTF8.self)
      let value = try JSONDocument(text, allowsRepeatedNames: true)
      #expect(Self.satisfies(value, document, document), "seed \(seed): \(text)")
      texts.insert(text)
    }
    #expect(texts.count > 1)
  }

  @Test(
    "refuses alternatives that can't be told apart, by their numbers",
    arguments: [
      #"{"oneOf": [{}, {}]}"#, #"{"oneOf": [{"type": "integer"}, {"type": "number"}]}"#,
      #"{"oneOf": [{"type": "string"}, {"type": "string", "maxLength": 3}]}"#,
      #"{"oneOf": [true, {"type": "null"}]}"#,
      #"{"oneOf": [{"const": 1}, {"const": 1.0}]}"#,
      #"{"oneOf": [{"const": {"a": 1}}, {"const": {"a": 2}}]}"#,
      #"{"oneOf": [{"type": "integer", "maximum": 5}, {"type": "integer", "minimum": 5}]}"#,
      // The second allows the member, as additional ones are allowed where nothing is said.
      #"{"oneOf": [{"properties": {"a": {}}, "required": ["a"]}, {"properties": {"b": {}}}]}"#,
      // Both kinds are optional, so neither need be there.
      #"{"oneOf": [{"properties": {"k": {"const": 1}}}, {"properties": {"k": {"const": 2}}}]}"#,
      // The first may write the second's member among others.
      #"{"oneOf": [{"properties": {"a": {}}, "required": ["a"], "additionalProperties": true}, {"properties": {"b": {}}, "required": ["b"]}]}"#,
      // Where nothing is said of a member it may be any object, also one with the member that the second asks for.
      #"""
      {"oneOf": [{"properties": {"a": {}, "b": {}}, "required": ["a", "b"]},
        {"properties": {"a": {"properties": {"c": {}}, "required": ["c"]}}, "required": ["a"]}]}
      """#,
      #"""
      {"oneOf": [{"properties": {"a": true, "b": {}}, "required": ["a", "b"]},
        {"properties": {"a": {"type": "object", "required": ["c"]}}, "required": ["a"]}]}
      """#,
      // Names that Unicode holds to be equal are different members.
      "{\"oneOf\": [{\"properties\": {\"\u{E9}\": {\"const\": 1}}, \"required\": [\"\u{E9}\"]}, {\"properties\": {\"e\u{301}\": {\"const\": 2}}}]}",
      ##"{"oneOf": [{"type": "null"}, {"$ref": "#"}]}"##,
    ]
  )
  func overlapping(schema: String) throws {
    let error = #expect(throws: RequestError.self) { try JSONSchemaCompiler.grammar(schema) }
    #expect(error?.code == .unsupportedFormat, "\(error?.message ?? "")")
    #expect(error?.message.contains("alternatives 0 and 1") == true, "\(error?.message ?? "")")
  }

  @Test("refuses what is no list, what can't be satisfied, and a list that takes too much work")
  func refusals() throws {
    let many = (0..<1_200).map { #"{"const": \#($0)}"# }.joined(separator: ",")
    for (schema, code) in [
      (#"{"oneOf": {}}"#, RequestError.Code.invalidOption), (#"{"oneOf": []}"#, .unsatisfiableFormat),
      (#"{"oneOf": [{"type": "null"}], "type": "null"}"#, .unsupportedFormat),
      (#"{"oneOf": [\#(many)]}"#, .unsupportedFormat),
    ] {
      let error = #expect(throws: RequestError.self) { try JSONSchemaCompiler.grammar(schema) }
      #expect(error?.code == code, "\(schema.prefix(60)): \(error?.message ?? "")")
    }
    let some = (0..<200).map { #"{"const": \#($0)}"# }.joined(separator: ",")
    #expect(StructuredVocabulary.allows(try JSONSchemaCompiler.grammar(#"{"oneOf": [\#(some)]}"#), "199"))
  }
}
