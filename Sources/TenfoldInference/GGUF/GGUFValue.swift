// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// One metadata value of a GGUF file, read through typed getters that return `nil` for another type.
///
/// ```swift
/// let layers = file.metadata["llama.block_count"]?.uint
/// ```
public struct GGUFValue: Sendable {
  enum Storage: Sendable {
    case unsigned(UInt64)
    case signed(Int64)
    case float(Double)
    case bool(Bool)
    case string(String)
    case strings(GGUFStringArray)
    case numbers(GGUFNumberArray)
    case array([GGUFValue])
  }

  let storage: Storage

  /// The text of a string.
  public var string: String? {
    if case .string(let value) = storage { value } else { nil }
  }

  /// The value of any integer that is not negative.
  public var uint: UInt64? {
    switch storage {
    case .unsigned(let value): value
    case .signed(let value): UInt64(exactly: value)
    default: nil
    }
  }

  /// The value of any integer that fits.
  public var int: Int? {
    switch storage {
    case .unsigned(let value): Int(exactly: value)
    case .signed(let value): Int(exactly: value)
    default: nil
    }
  }

  /// The value of any number.
  public var float: Double? {
    switch storage {
    case .float(let value): value
    case .unsigned(let value): Double(value)
    case .signed(let value): Double(value)
    default: nil
    }
  }

  /// The value of a truth value.
  public var bool: Bool? {
    if case .bool(let value) = storage { value } else { nil }
  }

  /// The strings of a string array, read on demand.
  public var stringArray: GGUFStringArray? {
    if case .strings(let value) = storage { value } else { nil }
  }

  /// The values of an integer array, or `nil` if one does not fit or the array holds something else.
  public var intArray: [Int]? {
    if case .numbers(let value) = storage { value.integers() } else { nil }
  }

  /// The values of a number array.
  public var floatArray: [Double]? {
    if case .numbers(let value) = storage { value.floats() } else { nil }
  }

  /// The elements of an array of arrays.
  public var nestedArray: [GGUFValue]? {
    if case .array(let value) = storage { value } else { nil }
  }

  /// The number of elements of any array.
  public var arrayCount: Int? {
    switch storage {
    case .strings(let value): value.count
    case .numbers(let value): value.count
    case .array(let value): value.count
    default: nil
    }
  }
}
