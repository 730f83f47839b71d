// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

extension JSONSchemaCompiler {
  mutating func array(
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

  mutating func object(
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
    var requiredNames: Set<ByteText> = []
    if let list = schema["required"] {
      guard case .array(let names) = list else { throw Self.invalid(path + "/required", "must be an array") }
      for item in names {
        guard case .string(let name) = item else {
          throw Self.invalid(path + "/required", "must hold strings")
        }
        if requiredNames.insert(ByteText(name)).inserted { required.append(name) }
      }
    }
    let additional = schema["additionalProperties"]
    var names = Set(properties.map { ByteText($0.name) })
    for name in required where names.insert(ByteText(name)).inserted {
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
      let isRequired = requiredNames.contains(ByteText(property.name))
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
}
