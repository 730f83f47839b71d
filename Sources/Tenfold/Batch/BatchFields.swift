// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldInference

/// The members of a JSON object of an input line, with errors that name the member and the line.
///
/// A member that is `null` counts as missing.
struct BatchFields {
  let document: JSONDocument
  /// What the object is, for people.
  let name: String
  /// The line's number.
  let line: Int

  init(_ document: JSONDocument, _ name: String, _ line: Int) {
    self.document = document
    self.name = name
    self.line = line
  }

  func requireObject() throws(BatchError) {
    guard case .object = document else { throw malformed("it must be an object") }
  }

  func value(_ member: String) -> JSONDocument? {
    document[member].flatMap { $0 == .null ? nil : $0 }
  }

  func required<Value>(_ value: Value?, _ member: String) throws(BatchError) -> Value {
    guard let value else { throw malformed("\(member) is missing") }
    return value
  }

  func string(_ member: String) throws(BatchError) -> String? {
    guard let value = value(member) else { return nil }
    guard case .string(let text) = value else { throw malformed("\(member) must be a string") }
    return text
  }

  func bool(_ member: String) throws(BatchError) -> Bool? {
    guard let value = value(member) else { return nil }
    guard case .bool(let flag) = value else { throw malformed("\(member) must be true or false") }
    return flag
  }

  func integer(_ member: String) throws(BatchError) -> Int? {
    guard let value = value(member) else { return nil }
    guard case .number(let digits) = value, let number = Int(digits) else {
      throw malformed("\(member) must be a whole number of 64 bits")
    }
    return number
  }

  func number(_ member: String) throws(BatchError) -> Double? {
    guard let value = value(member) else { return nil }
    guard case .number(let digits) = value, let number = Double(digits), number.isFinite else {
      throw malformed("\(member) must be a number")
    }
    return number
  }

  func array(_ member: String) throws(BatchError) -> [JSONDocument]? {
    guard let value = value(member) else { return nil }
    guard case .array(let values) = value else { throw malformed("\(member) must be an array") }
    return values
  }

  /// One string, or an array of them.
  func strings(_ member: String) throws(BatchError) -> [String] {
    guard let value = value(member) else { return [] }
    switch value {
    case .string(let text): return [text]
    case .array(let values):
      var texts: [String] = []
      for value in values {
        guard case .string(let text) = value else { throw malformed("\(member) must hold strings only") }
        texts.append(text)
      }
      return texts
    default: throw malformed("\(member) must be a string or an array of strings")
    }
  }

  func optionalObject(_ member: String) throws(BatchError) -> BatchFields? {
    guard let value = value(member) else { return nil }
    let fields = BatchFields(value, member, line)
    try fields.requireObject()
    return fields
  }

  func object(_ member: String) throws(BatchError) -> BatchFields {
    try required(optionalObject(member), member)
  }

  func malformed(_ what: String) -> BatchError {
    BatchError(.malformedLine, "\(name): \(what)", inputLine: line)
  }

  func unsupported(_ what: String) -> BatchError {
    BatchError(.unsupportedRequest, "\(name): \(what)", inputLine: line)
  }
}
