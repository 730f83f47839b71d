// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

extension JSONSchemaCompiler {
  mutating func combined(
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
    var nodes: [Int32] = []
    for (index, option) in options.enumerated() {
      nodes.append(try node(option, "\(path)/\(name)/\(index)", then: next))
    }
    // Afterwards, when it is known that each has only members that mean something.
    if name == "oneOf" { try checkExclusion(options, path) }
    return try builder.oneOf(nodes)
  }

  /// Refuses alternatives of which two could be satisfied by what is written for one.
  private func checkExclusion(_ options: [JSONDocument], _ path: String) throws(RequestError) {
    var known = definitions
    known[ByteText("#")] = document
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

  func constants(
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
      if let value = schema["const"] { options.removeAll { !$0.hasSameValue(as: value) } }
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
}

extension JSONDocument {
  /// Whether a value is of a schema's type.
  func isOfType(_ type: String) -> Bool {
    switch self {
    case .null: type == "null"
    case .bool: type == "boolean"
    case .number(let text): type == "number" || (type == "integer" && DecimalNumber(text)?.isInteger ?? false)
    case .string: type == "string"
    case .array: type == "array"
    case .object: type == "object"
    }
  }

  /// Whether two values are equal as JSON Schema has it: however numbers are spelled, and in whatever order members stand.
  func hasSameValue(as other: Self) -> Bool {
    switch (self, other) {
    case (.number(let left), .number(let right)):
      guard let value = DecimalNumber(left) else { return left == right }
      return value == DecimalNumber(right)
    case (.array(let left), .array(let right)):
      return left.count == right.count && zip(left, right).allSatisfy { $0.hasSameValue(as: $1) }
    case (.object(let left), .object(let right)):
      guard left.count == right.count else { return false }
      let values = Dictionary(right.map { (ByteText($0.name), $0.value) }) { first, _ in first }
      return left.allSatisfy { values[ByteText($0.name)]?.hasSameValue(as: $0.value) ?? false }
    default: return self == other
    }
  }
}
