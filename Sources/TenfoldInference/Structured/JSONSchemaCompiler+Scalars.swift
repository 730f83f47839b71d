// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

extension JSONSchemaCompiler {
  func string(_ schema: JSONDocument, _ path: String, then next: Int32) throws(RequestError) -> Int32 {
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

  func number(
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
        throw Self.unsupported(path, "\(key) \(text), with an exponent or too many digits")
      }
      return bound
    }
    let low = try bound("minimum", "exclusiveMinimum")
    let high = try bound("maximum", "exclusiveMaximum")
    guard let places = JSONNumberGrammar.places(beside: low, high) else {
      throw Self.unsupported(path, "a strict limit with more digits than a double tells apart,")
    }
    return try JSONNumberGrammar(values, places: places).number(from: low, to: high, then: next)
  }

  func integer(_ schema: JSONDocument, _ path: String, then next: Int32) throws(RequestError) -> Int32 {
    func bound(_ name: String) throws(RequestError) -> Int? {
      guard let value = schema[name] else { return nil }
      guard case .number(let text) = value else { throw Self.invalid("\(path)/\(name)", "must be a number") }
      guard let number = DecimalNumber(text)?.integer,
        number.magnitude <= JSONValueGrammar.largestInteger.magnitude
      else {
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
}
