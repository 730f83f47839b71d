// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// Shows that no text written for one schema satisfies another, where that is easily shown.
///
/// What is written for a schema is less than what it allows: an object has no members but the listed ones unless others are
/// asked for. So alternatives of `oneOf` are told apart by their types, by constants, by bounds, by a member with different
/// constants, or by a required member that the other alternative doesn't list.
struct SchemaExclusion {
  private static let maximumDepth = 16

  /// The schemas that references name.
  let references: [ByteText: JSONDocument]
  /// Counts the work.
  let builder: GrammarBuilder

  /// Whether every text that is written for a schema fails another one; false where that isn't shown.
  ///
  /// - Throws: `RequestError` with code `unsupportedFormat` if it takes too much work.
  func isExcluded(_ written: JSONDocument, from other: JSONDocument) throws(RequestError) -> Bool {
    try isExcluded(written, from: other, depth: 0)
  }

  private func isExcluded(
    _ written: JSONDocument,
    from other: JSONDocument,
    depth: Int
  ) throws(RequestError) -> Bool {
    // Each of the members is looked at several times.
    try builder.spend(1 + Self.memberCount(of: written) + Self.memberCount(of: other))
    guard depth < Self.maximumDepth else { return false }
    if written == .bool(false) || other == .bool(false) { return true }
    if let target = target(of: written) { return try isExcluded(target, from: other, depth: depth + 1) }
    if let target = target(of: other) { return try isExcluded(written, from: target, depth: depth + 1) }
    // All that may be written must fail; and it must fail all of what would do.
    for name in ["anyOf", "oneOf", "allOf"] {
      guard case .array(let options)? = written[name] else { continue }
      for option in options where try !isExcluded(option, from: other, depth: depth + 1) { return false }
      return true
    }
    for name in ["anyOf", "oneOf", "allOf"] {
      guard case .array(let options)? = other[name] else { continue }
      for option in options where try !isExcluded(written, from: option, depth: depth + 1) { return false }
      return true
    }
    if let values = constants(of: written) {
      for value in values where try !fails(value, other) { return false }
      return true
    }
    let common = Self.types(of: written, isWritten: true).intersection(
      Self.types(of: other, isWritten: false)
    )
    for type in common where try !isExcluded(written, from: other, as: type, depth: depth) { return false }
    return true
  }

  /// Whether what is written of a type fails another schema.
  private func isExcluded(
    _ written: JSONDocument,
    from other: JSONDocument,
    as type: String,
    depth: Int
  ) throws(RequestError) -> Bool {
    if let values = constants(of: other) {
      try builder.spend(values.count)
      return values.allSatisfy { Self.type(of: $0) != type }
    }
    switch type {
    case "number":
      return Self.isBelow(written, other, "maximum", "minimum")
        || Self.isBelow(other, written, "maximum", "minimum")
    case "string":
      return Self.isBelow(written, other, "maxLength", "minLength")
        || Self.isBelow(other, written, "maxLength", "minLength")
    case "array":
      return Self.isBelow(written, other, "maxItems", "minItems")
        || Self.isBelow(other, written, "maxItems", "minItems")
    case "object": return try areMembersExcluded(written, from: other, depth: depth)
    default: return false
    }
  }

  private func areMembersExcluded(
    _ written: JSONDocument,
    from other: JSONDocument,
    depth: Int
  ) throws(RequestError) -> Bool {
    let (own, others) = (Self.properties(of: written), Self.properties(of: other))
    let (required, wanted) = (Self.required(of: written), Self.required(of: other))
    try builder.spend(own.count + others.count + required.count + wanted.count)
    // Of a schema that says nothing of its values any object is written.
    let isOpen = written["type"] == nil && JSONSchemaCompiler.impliedType(of: written) == nil
    let additional = written["additionalProperties"]
    let isClosed = !isOpen && (additional == nil || additional == .bool(false))
    if isClosed, wanted.contains(where: { own[$0] == nil && !required.contains($0) }) { return true }
    if other["additionalProperties"] == .bool(false), required.contains(where: { others[$0] == nil }) {
      return true
    }
    for name in required {
      guard let value = own[name], let expected = others[name] else { continue }
      if try isExcluded(value, from: expected, depth: depth + 1) { return true }
    }
    return false
  }

  /// Whether a value fails a schema.
  private func fails(_ value: JSONDocument, _ schema: JSONDocument) throws(RequestError) -> Bool {
    if let values = constants(of: schema) {
      try builder.spend(values.count)
      return !values.contains { Self.mayBeEqual($0, value) }
    }
    return !Self.types(of: schema, isWritten: false).contains(Self.type(of: value))
  }

  // MARK: - Parts of schemas

  private static func memberCount(of schema: JSONDocument) -> Int {
    guard case .object(let members) = schema else { return 0 }
    return members.count
  }

  private func target(of schema: JSONDocument) -> JSONDocument? {
    guard case .string(let name)? = schema["$ref"] else { return nil }
    return references[ByteText(name)]
  }

  private func constants(of schema: JSONDocument) -> [JSONDocument]? {
    if let value = schema["const"] { return [value] }
    guard case .array(let values)? = schema["enum"] else { return nil }
    return values
  }

  private static let allTypes: Set<String> = ["null", "boolean", "number", "string", "array", "object"]

  /// The types that a schema allows, or that are written for it; an integer is a number.
  private static func types(of schema: JSONDocument, isWritten: Bool) -> Set<String> {
    let names: [JSONDocument]
    switch schema["type"] {
    case .string?: names = [schema["type"]].compactMap { $0 }
    case .array(let list)?: names = list
    // Without a type a keyword only limits values of its type, and others satisfy the schema as well; they aren't written.
    default: return isWritten ? JSONSchemaCompiler.impliedType(of: schema).map { [$0] } ?? allTypes : allTypes
    }
    return Set(
      names.compactMap { name in
        guard case .string(let text) = name else { return nil }
        return text == "integer" ? "number" : text
      }
    )
  }

  private static func type(of value: JSONDocument) -> String {
    switch value {
    case .null: "null"
    case .bool: "boolean"
    case .number: "number"
    case .string: "string"
    case .array: "array"
    case .object: "object"
    }
  }

  /// Whether two values could be equal: numbers can be written in several ways, and members in any order.
  private static func mayBeEqual(_ a: JSONDocument, _ b: JSONDocument) -> Bool {
    switch (a, b) {
    case (.number(let a), .number(let b)): Double(a) == Double(b)
    case (.array, .array), (.object, .object): true
    default: a == b
    }
  }

  /// Whether a schema's limit above is less than another one's limit below.
  private static func isBelow(_ a: JSONDocument, _ b: JSONDocument, _ high: String, _ low: String) -> Bool {
    func limits(_ schema: JSONDocument, _ name: String) -> [(value: Double, text: String, isStrict: Bool)] {
      // Only numbers have strict limits; elsewhere there is no such keyword.
      let strictName = "exclusive" + name.prefix(1).uppercased() + name.dropFirst()
      return [(name, false), (strictName, true)].compactMap { name, isStrict in
        guard case .number(let text)? = schema[name], let value = Double(text) else { return nil }
        return (value, text, isStrict)
      }
    }
    return limits(a, high).contains { most in
      limits(b, low).contains { least in
        // Rounding makes numbers equal, but doesn't exchange them.
        most.value < least.value || (most.text == least.text && (most.isStrict || least.isStrict))
      }
    }
  }

  /// The members that a schema lists, by the bytes of their names: what Unicode holds to be equal are different names.
  private static func properties(of schema: JSONDocument) -> [ByteText: JSONDocument] {
    guard case .object(let members)? = schema["properties"] else { return [:] }
    return Dictionary(members.map { (ByteText($0.name), $0.value) }) { first, _ in first }
  }

  private static func required(of schema: JSONDocument) -> Set<ByteText> {
    guard case .array(let names)? = schema["required"] else { return [] }
    return Set(
      names.compactMap { name in
        guard case .string(let text) = name else { return nil }
        return ByteText(text)
      }
    )
  }
}
