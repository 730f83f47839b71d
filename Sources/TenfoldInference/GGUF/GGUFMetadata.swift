// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The key-value section of a GGUF file.
///
/// ```swift
/// let architecture = try file.metadata.string(for: "general.architecture")
/// let layers = try file.metadata.integer(for: "\(architecture).block_count", in: 1...1_000)
/// ```
public struct GGUFMetadata: Sendable {
  let values: [String: GGUFValue]

  /// All keys, in no order.
  public var keys: some Collection<String> { values.keys }

  /// The value stored under `key`, or `nil`.
  public subscript(key: String) -> GGUFValue? { values[key] }

  /// The string stored under `key`.
  ///
  /// - Parameter key: The full key.
  /// - Returns: The text.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/missing`` or, for another type,
  ///   ``ModelError/Code/invalidHeader``.
  public func string(for key: String) throws(ModelError) -> String {
    guard let value = try required(key).string else { throw wrongType(key, "a string") }
    return value
  }

  /// The integer stored under `key`, checked against `range`.
  ///
  /// - Parameters:
  ///   - key: The full key.
  ///   - range: The values a valid model can have.
  /// - Returns: The number.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/missing`` or, for another type or a value out of
  ///   range, ``ModelError/Code/invalidHeader``.
  public func integer(for key: String, in range: ClosedRange<Int>) throws(ModelError) -> Int {
    guard let value = try required(key).int else { throw wrongType(key, "an integer") }
    guard range.contains(value) else {
      throw ModelError(
        .invalidHeader,
        "Metadata \(key) is \(value), but must lie in \(range.lowerBound)...\(range.upperBound)."
      )
    }
    return value
  }

  /// The finite number stored under `key`.
  ///
  /// - Parameter key: The full key.
  /// - Returns: The number.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/missing`` or, for another type or a number that is
  ///   not finite, ``ModelError/Code/invalidHeader``.
  public func float(for key: String) throws(ModelError) -> Double {
    guard let value = try required(key).float, value.isFinite else {
      throw wrongType(key, "a finite number")
    }
    return value
  }

  private func required(_ key: String) throws(ModelError) -> GGUFValue {
    guard let value = values[key] else {
      throw ModelError(
        .missing,
        "The GGUF file has no metadata \(key); it is not a complete model of this kind."
      )
    }
    return value
  }

  private func wrongType(_ key: String, _ expected: String) -> ModelError {
    ModelError(.invalidHeader, "Metadata \(key) is not \(expected).")
  }
}
