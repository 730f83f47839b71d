// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// Turns a JSON schema into a grammar of the texts that it allows.
///
/// What it writes is a subset of what the schema allows: members come in the schema's order, one space may stand after
/// `:` and `,`, numbers have a bounded length, and values that the schema leaves open are nested at most
/// ``freeDepth`` levels deep. Keywords that it can't keep are refused, so that a text that follows the grammar always
/// satisfies the schema.
struct JSONSchemaCompiler {
  /// How deep values are nested that the schema says nothing about.
  static let freeDepth = 6

  /// Keywords that describe and don't restrict.
  private static let annotations: Set<String> = [
    "title", "description", "default", "example", "examples", "deprecated", "readOnly", "writeOnly", "format",
    "$schema", "$id", "$comment", "$defs", "definitions", "$anchor",
  ]
  private static let objectKeys: Set<String> = ["properties", "required", "additionalProperties"]
  private static let arrayKeys: Set<String> = ["items", "prefixItems", "minItems", "maxItems"]
  private static let stringKeys: Set<String> = ["minLength", "maxLength", "pattern"]
  private static let boundKeys: Set<String> = [
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
  ]

  let document: JSONDocument
  let builder = GrammarBuilder()
  let values: JSONValueGrammar
  private var references: [ByteText: Int32] = [:]
  /// What references may name, by the reference.
  let definitions: [ByteText: JSONDocument]
  /// References whose contents are still to be built.
  private var open: [(rule: Int32, schema: JSONDocument, path: String)] = []

  /// The grammar of a schema.
  ///
  /// - Parameter schema: The schema's text.
  /// - Returns: The grammar.
  /// - Throws: `RequestError` with code `invalidOption` for what is no schema, `unsupportedFormat` for a keyword that is
  ///   not supported, `unsatisfiableFormat` if no value satisfies the schema.
  static func grammar(_ schema: String) throws(RequestError) -> Grammar {
    var compiler = JSONSchemaCompiler(document: try JSONDocument(schema))
    return try compiler.grammar()
  }

  /// The grammar of any object.
  static func anyObject() throws(RequestError) -> Grammar {
    let builder = GrammarBuilder()
    let root = builder.declareRule()
    let values = JSONValueGrammar(builder)
    builder.define(root, try values.object(depth: freeDepth, then: builder.end))
    return try builder.finish()
  }

  private init(document: JSONDocument) {
    self.document = document
    definitions = Self.definitions(document)
    values = JSONValueGrammar(builder)
  }

  private mutating func grammar() throws(RequestError) -> Grammar {
    let root = builder.declareRule()
    references[ByteText("#")] = root
    open.append((root, document, "#"))
    while let next = open.popLast() {
      builder.define(next.rule, try node(next.schema, next.path, then: builder.end))
    }
    return try builder.finish()
  }

  // MARK: - Schemas

  mutating func node(
    _ schema: JSONDocument,
    _ path: String,
    then next: Int32
  ) throws(RequestError) -> Int32 {
    if case .bool(let allowsAll) = schema {
      return allowsAll ? try values.any(depth: Self.freeDepth, then: next) : try builder.oneOf([])
    }
    guard case .object(let members) = schema else {
      throw Self.invalid(path, "must be an object or a boolean")
    }
    let keys = Set(members.map(\.name)).subtracting(Self.annotations)
    if let reference = schema["$ref"] {
      try allow(keys, ["$ref"], path)
      return try builder.call(try rule(of: reference, path), then: next)
    }
    if let name = ["anyOf", "oneOf", "allOf"].first(where: { schema[$0] != nil }) {
      return try combined(schema, name, keys, path, then: next)
    }
    if schema["enum"] != nil || schema["const"] != nil {
      return try constants(schema, keys, path, then: next)
    }
    var nodes: [Int32] = []
    let types = try self.types(schema, keys, path)
    for type in types {
      nodes.append(try typed(type, schema, keys, path, isOnly: types.count == 1, then: next))
    }
    return try builder.oneOf(nodes)
  }

  mutating func typed(
    _ type: String,
    _ schema: JSONDocument,
    _ keys: Set<String>,
    _ path: String,
    isOnly: Bool,
    then next: Int32
  ) throws(RequestError) -> Int32 {
    // With several types each keyword belongs to one of them.
    let all = Self.objectKeys.union(Self.arrayKeys).union(Self.stringKeys).union(Self.boundKeys)
    var own: Set<String> = ["type"]
    switch type {
    case "object": own.formUnion(isOnly ? Self.objectKeys : all)
    case "array": own.formUnion(isOnly ? Self.arrayKeys : all)
    case "string": own.formUnion(isOnly ? Self.stringKeys : all)
    case "integer": own.formUnion(isOnly ? Self.boundKeys : all)
    case "number": own.formUnion(isOnly ? Self.boundKeys : all)
    default: own.formUnion(isOnly ? [] : all)
    }
    try allow(keys, own, path)
    switch type {
    case "object": return try object(schema, path, then: next)
    case "array": return try array(schema, path, then: next)
    case "string": return try string(schema, path, then: next)
    case "integer": return try integer(schema, path, then: next)
    case "number": return try number(schema, path, then: next)
    case "boolean": return try values.boolean(then: next)
    case "null": return try builder.literal("null", then: next)
    default: return try values.any(depth: Self.freeDepth, then: next)
    }
  }

  /// The types that a schema names, or that its keywords are about; "any" if there is none.
  func types(
    _ schema: JSONDocument,
    _ keys: Set<String>,
    _ path: String
  ) throws(RequestError) -> [String] {
    let known: Set<String> = ["object", "array", "string", "integer", "number", "boolean", "null"]
    var types: [String] = []
    switch schema["type"] {
    case .string(let type)?: types = [type]
    case .array(let list)?:
      for item in list {
        guard case .string(let type) = item else { throw Self.invalid(path + "/type", "must hold strings") }
        types.append(type)
      }
    case nil: return [Self.impliedType(of: schema) ?? "any"]
    default: throw Self.invalid(path + "/type", "must be a string or an array of strings")
    }
    if let wrong = types.first(where: { !known.contains($0) }) {
      throw Self.invalid(path + "/type", "is '\(wrong)', which is no type")
    }
    // Each once, however often it stands there; an integer is a number too.
    var seen: Set<String> = types.contains("number") ? ["integer"] : []
    return types.filter { seen.insert($0).inserted }
  }

  /// The type that a schema's keywords are about, where it names none.
  static func impliedType(of schema: JSONDocument) -> String? {
    [("object", objectKeys), ("array", arrayKeys), ("string", stringKeys)]
      .first { $0.1.contains { schema[$0] != nil } }?.0
  }

  // MARK: - References

  /// The schemas that references can name.
  private static func definitions(_ document: JSONDocument) -> [ByteText: JSONDocument] {
    var definitions: [ByteText: JSONDocument] = [:]
    for prefix in ["#/$defs/", "#/definitions/"] {
      guard case .object(let members)? = document[String(prefix.dropFirst(2).dropLast())] else { continue }
      for member in members where !member.name.contains(where: { "/~%".contains($0) }) {
        definitions[ByteText(prefix + member.name)] = member.value
      }
    }
    return definitions
  }

  private mutating func rule(of reference: JSONDocument, _ path: String) throws(RequestError) -> Int32 {
    guard case .string(let name) = reference else { throw Self.invalid(path + "/$ref", "must be a string") }
    if let rule = references[ByteText(name)] { return rule }
    guard let target = definitions[ByteText(name)] else {
      throw RequestError(
        name.hasPrefix("#/$defs/") || name.hasPrefix("#/definitions/") ? .invalidOption : .unsupportedFormat,
        "The schema's \(path)/$ref is '\(name)'; it must name an entry of $defs, as in '#/$defs/name', or '#'."
      )
    }
    let rule = builder.declareRule()
    references[ByteText(name)] = rule
    open.append((rule, target, name))
    return rule
  }

  // MARK: - Checks

  func count(_ schema: JSONDocument, _ name: String, _ path: String) throws(RequestError) -> Int? {
    guard let value = schema[name] else { return nil }
    guard case .number(let text) = value, let count = DecimalNumber(text)?.integer, count >= 0 else {
      throw Self.invalid("\(path)/\(name)", "must be a whole number, 0 or more")
    }
    return count
  }

  func allow(_ keys: Set<String>, _ allowed: Set<String>, _ path: String) throws(RequestError) {
    guard let wrong = keys.subtracting(allowed).min() else { return }
    throw Self.unsupported(path, allowed.count > 1 ? wrong : "\(wrong) beside \(allowed.min() ?? "")")
  }

  static func invalid(_ path: String, _ reason: String) -> RequestError {
    RequestError(.invalidOption, "The schema's \(path) \(reason).")
  }

  static func unsupported(_ path: String, _ what: String) -> RequestError {
    RequestError(
      .unsupportedFormat,
      "The schema's \(path) has \(what), which is not supported here; leave it out and check the answer yourself."
    )
  }
}
