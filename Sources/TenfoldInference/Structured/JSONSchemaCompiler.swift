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

  private let document: JSONDocument
  private let builder = GrammarBuilder()
  private let values: JSONValueGrammar
  private var references: [String: Int32] = [:]
  /// What references may name, by the reference.
  private let definitions: [String: JSONDocument]
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
    references["#"] = root
    open.append((root, document, "#"))
    while let next = open.popLast() {
      builder.define(next.rule, try node(next.schema, next.path, then: builder.end))
    }
    return try builder.finish()
  }

  // MARK: - Schemas

  private mutating func node(
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

  private mutating func combined(
    _ schema: JSONDocument,
    _ name: String,
    _ keys: Set<String>,
    _ path: String,
    then next: Int32
  ) throws(RequestError) -> Int32 {
    try allow(keys, [name], path)
    guard case .array(let options)? = schema[name] else {
      throw Self.invalid(path + "/" + name, "must be an array")
    }
    guard name != "allOf" || options.count == 1 else {
      throw Self.unsupported(path, "allOf with \(options.count) schemas")
    }
    if name == "oneOf" { try checkExclusion(options, path) }
    var nodes: [Int32] = []
    for (index, option) in options.enumerated() {
      nodes.append(try node(option, "\(path)/\(name)/\(index)", then: next))
    }
    return try builder.oneOf(nodes)
  }

  /// Refuses alternatives of which two could be satisfied by what is written for one.
  private func checkExclusion(_ options: [JSONDocument], _ path: String) throws(RequestError) {
    var known = definitions
    known["#"] = document
    let exclusion = SchemaExclusion(references: known, builder: builder)
    for (index, option) in options.enumerated() {
      for (other, schema) in options.enumerated() where other != index {
        guard try !exclusion.isExcluded(option, from: schema) else { continue }
        throw RequestError(
          .unsupportedFormat,
          """
          The schema's \(path)/oneOf has alternatives \(min(index, other)) and \(max(index, other)), which one value could \
          satisfy both; give them different types, bounds, or a required member with different constants, or use anyOf.
          """
        )
      }
    }
  }

  private mutating func typed(
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
  private func types(
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

  private func constants(
    _ schema: JSONDocument,
    _ keys: Set<String>,
    _ path: String,
    then next: Int32
  ) throws(RequestError) -> Int32 {
    try allow(keys, ["enum", "const", "type"], path)
    var options: [JSONDocument]
    if let list = schema["enum"] {
      guard case .array(let values) = list else { throw Self.invalid(path + "/enum", "must be an array") }
      options = values
      if let value = schema["const"] { options.removeAll { $0 != value } }
    } else {
      options = [schema["const"]].compactMap { $0 }
    }
    if keys.contains("type") {
      let types = try self.types(schema, keys, path)
      options.removeAll { !types.contains(where: $0.isOfType) }
    }
    try builder.spend(options.count)
    var nodes: [Int32] = []
    // By their bytes: texts that Unicode holds to be equal are different answers.
    var seen: Set<[UInt8]> = []
    for option in options {
      let text = option.text
      if seen.insert(Array(text.utf8)).inserted { nodes.append(try builder.literal(text, then: next)) }
    }
    return try builder.oneOf(nodes)
  }

  private func string(_ schema: JSONDocument, _ path: String, then next: Int32) throws(RequestError) -> Int32
  {
    let minimum = try count(schema, "minLength", path) ?? 0
    let maximum = try count(schema, "maxLength", path)
    var patterns: [PatternAutomaton] = []
    if let pattern = schema["pattern"] {
      guard case .string(let text) = pattern else {
        throw Self.invalid(path + "/pattern", "must be a string")
      }
      patterns.append(try PatternAutomaton(PatternSyntax.parse(text, at: path + "/pattern"), builder))
    }
    // Other formats are notes for the reader, as the specification has it.
    if case .string(let name)? = schema["format"], let text = StringFormat.pattern(name) {
      patterns.append(try PatternAutomaton(PatternSyntax.parse(text, at: path + "/format"), builder))
    }
    guard !patterns.isEmpty else { return try values.string(minimum, maximum, then: next) }
    return try values.string(matching: patterns, minimum, maximum, then: next)
  }

  private mutating func array(
    _ schema: JSONDocument,
    _ path: String,
    then next: Int32
  ) throws(RequestError) -> Int32 {
    let minimum = try count(schema, "minItems", path) ?? 0
    let maximum = try count(schema, "maxItems", path)
    var first: [JSONDocument] = []
    if let prefix = schema["prefixItems"] {
      guard case .array(let list) = prefix else {
        throw Self.invalid(path + "/prefixItems", "must be an array")
      }
      first = list
    }
    let items = schema["items"] ?? .bool(true)
    guard minimum <= maximum ?? .max else { return try self.builder.oneOf([]) }
    let close = try self.builder.literal("]", then: next)
    // After the listed items come equal ones, built once however many they are.
    let rest = self.builder.declareRule()
    self.builder.define(rest, try node(items, path + "/items", then: self.builder.end))
    let maximumRest = maximum.map { max(0, $0 - first.count) }
    let minimumRest = max(0, minimum - first.count)
    let allowsRest = items != .bool(false) && maximumRest != 0
    let (builder, values) = (self.builder, self.values)
    func more(_ minimum: Int, _ maximum: Int?) throws(RequestError) -> Int32 {
      try builder.repeated(minimum, maximum, then: close) { (next) throws(RequestError) in
        try values.comma(then: builder.call(rest, then: next))
      }
    }
    if first.isEmpty {
      guard allowsRest else {
        return minimumRest > 0 ? try builder.oneOf([]) : try builder.literal("[", then: close)
      }
      let some = try builder.call(rest, then: more(max(0, minimumRest - 1), maximumRest.map { $0 - 1 }))
      return try builder.literal("[", then: minimumRest > 0 ? some : builder.optional(some, then: close))
    }
    // Listed items may be left out from the end.
    var tail: Int32
    if allowsRest {
      tail = try more(minimumRest, maximumRest)
    } else {
      tail = minimumRest > 0 ? try builder.oneOf([]) : close
    }
    for index in first.indices.reversed() {
      if let maximum, index >= maximum { continue }
      let item = try node(first[index], "\(path)/prefixItems/\(index)", then: tail)
      let entry = index == 0 ? item : try values.comma(then: item)
      tail = index < minimum ? entry : try builder.optional(entry, then: close)
    }
    if maximum == 0 { tail = close }
    return try builder.literal("[", then: tail)
  }

  private func number(
    _ schema: JSONDocument,
    _ path: String,
    then next: Int32
  ) throws(RequestError) -> Int32 {
    func bound(_ name: String, _ strictName: String) throws(RequestError) -> DecimalBound? {
      guard schema[name] == nil || schema[strictName] == nil else {
        throw Self.unsupported(path, "\(name) beside \(strictName)")
      }
      let isStrict = schema[strictName] != nil
      let key = isStrict ? strictName : name
      guard let value = schema[key] else { return nil }
      guard case .number(let text) = value else { throw Self.invalid("\(path)/\(key)", "must be a number") }
      guard let bound = DecimalBound(text, isStrict: isStrict) else {
        throw Self.unsupported(path, "\(key) \(text), which has an exponent or too many digits,")
      }
      return bound
    }
    let low = try bound("minimum", "exclusiveMinimum")
    return try values.number(from: low, to: bound("maximum", "exclusiveMaximum"), then: next)
  }

  private func integer(_ schema: JSONDocument, _ path: String, then next: Int32) throws(RequestError) -> Int32
  {
    func bound(_ name: String) throws(RequestError) -> Int? {
      guard let value = schema[name] else { return nil }
      guard case .number(let text) = value else { throw Self.invalid("\(path)/\(name)", "must be a number") }
      guard let number = Int(text), number.magnitude <= JSONValueGrammar.largestInteger.magnitude else {
        throw Self.unsupported(path, "\(name) \(text) of an integer")
      }
      return number
    }
    let bounds = (
      try bound("minimum"), try bound("exclusiveMinimum").map { $0 + 1 }, try bound("maximum"),
      try bound("exclusiveMaximum").map { $0 - 1 }
    )
    let limit = JSONValueGrammar.largestInteger
    let low = max(bounds.0 ?? -limit, bounds.1 ?? -limit)
    let high = min(bounds.2 ?? limit, bounds.3 ?? limit)
    return try values.integer(from: low, to: high, then: next)
  }

  // MARK: - Objects

  private mutating func object(
    _ schema: JSONDocument,
    _ path: String,
    then next: Int32
  ) throws(RequestError) -> Int32 {
    var properties: [JSONDocument.Member] = []
    if let list = schema["properties"] {
      guard case .object(let members) = list else {
        throw Self.invalid(path + "/properties", "must be an object")
      }
      properties = members
    }
    var required: [String] = []
    var requiredNames: Set<String> = []
    if let list = schema["required"] {
      guard case .array(let names) = list else { throw Self.invalid(path + "/required", "must be an array") }
      for item in names {
        guard case .string(let name) = item else {
          throw Self.invalid(path + "/required", "must hold strings")
        }
        if requiredNames.insert(name).inserted { required.append(name) }
      }
    }
    let additional = schema["additionalProperties"]
    var names = Set(properties.map(\.name))
    for name in required where names.insert(name).inserted {
      guard additional != .bool(false) else { return try builder.oneOf([]) }
      properties.append(JSONDocument.Member(name: name, value: additional ?? .bool(true)))
    }
    let close = try builder.literal("}", then: next)
    // What follows the listed members, with and without a member before it.
    var (first, later) = (close, close)
    if let additional, additional != .bool(false) {
      guard properties.allSatisfy({ $0.name.utf8.count <= 256 }) else {
        throw Self.unsupported(path, "additionalProperties beside a name of over 256 bytes")
      }
      let value = builder.declareRule()
      builder.define(value, try node(additional, path + "/additionalProperties", then: builder.end))
      let listed = properties.map(\.name)
      later = try builder.loop { (loop) throws(RequestError) in
        let member = try values.otherName(
          than: listed,
          then: values.colon(then: builder.call(value, then: loop))
        )
        return [try values.comma(then: member), close]
      }
      let member = try values.otherName(
        than: listed,
        then: values.colon(then: builder.call(value, then: later))
      )
      first = try builder.optional(member, then: close)
    }
    for property in properties.reversed() {
      let isRequired = requiredNames.contains(property.name)
      let name = JSONDocument.quoted(property.name)
      // Both ways lead through one value only when nothing after it depends on the way.
      let value = try node(property.value, Self.path(path, property.name), then: later)
      let member = try builder.literal(name, then: values.colon(then: value))
      let following = try values.comma(then: member)
      first = isRequired ? member : try builder.oneOf([member, first])
      later = isRequired ? following : try builder.oneOf([following, later])
    }
    return try builder.literal("{", then: first)
  }

  /// A property's path in messages; of a long name its beginning.
  private static func path(_ path: String, _ name: String) -> String {
    var end = String.UnicodeScalarView()
    end.append(contentsOf: name.unicodeScalars.prefix(64))
    return "\(path)/properties/\(String(end))"
  }

  // MARK: - References

  /// The schemas that references can name.
  private static func definitions(_ document: JSONDocument) -> [String: JSONDocument] {
    var definitions: [String: JSONDocument] = [:]
    for prefix in ["#/$defs/", "#/definitions/"] {
      guard case .object(let members)? = document[String(prefix.dropFirst(2).dropLast())] else { continue }
      for member in members where !member.name.contains(where: { "/~%".contains($0) }) {
        definitions[prefix + member.name] = member.value
      }
    }
    return definitions
  }

  private mutating func rule(of reference: JSONDocument, _ path: String) throws(RequestError) -> Int32 {
    guard case .string(let name) = reference else { throw Self.invalid(path + "/$ref", "must be a string") }
    if let rule = references[name] { return rule }
    guard let target = definitions[name] else {
      throw RequestError(
        name.hasPrefix("#/$defs/") || name.hasPrefix("#/definitions/") ? .invalidOption : .unsupportedFormat,
        "The schema's \(path)/$ref is '\(name)'; it must name an entry of $defs, as in '#/$defs/name', or '#'."
      )
    }
    let rule = builder.declareRule()
    references[name] = rule
    open.append((rule, target, name))
    return rule
  }

  // MARK: - Checks

  private func count(_ schema: JSONDocument, _ name: String, _ path: String) throws(RequestError) -> Int? {
    guard let value = schema[name] else { return nil }
    guard case .number(let text) = value, let count = Int(text), count >= 0 else {
      throw Self.invalid("\(path)/\(name)", "must be a number, 0 or more")
    }
    return count
  }

  private func allow(_ keys: Set<String>, _ allowed: Set<String>, _ path: String) throws(RequestError) {
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

extension JSONDocument {
  /// Whether a value is of a schema's type.
  func isOfType(_ type: String) -> Bool {
    switch self {
    case .null: type == "null"
    case .bool: type == "boolean"
    case .number(let text): type == "number" || (type == "integer" && Int(text) != nil)
    case .string: type == "string"
    case .array: type == "array"
    case .object: type == "object"
    }
  }
}
