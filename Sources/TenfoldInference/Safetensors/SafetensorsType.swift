// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The number format of a safetensors tensor.
///
/// ```swift
/// let type = SafetensorsType(name: "BF16")  // two bytes a number
/// ```
public struct SafetensorsType: Hashable, Sendable, CustomStringConvertible {
  /// The name in the file, such as `F32`.
  public let description: String
  /// The bytes of one number.
  public let byteCount: Int

  private init(_ name: String, _ byteCount: Int) {
    self.description = name
    self.byteCount = byteCount
  }

  /// 32-bit floating point.
  public static let f32 = Self("F32", 4)
  /// 16-bit IEEE floating point.
  public static let f16 = Self("F16", 2)
  /// The upper 16 bits of a 32-bit floating point number.
  public static let bf16 = Self("BF16", 2)
  /// 64-bit floating point.
  public static let f64 = Self("F64", 8)
  /// 64-bit signed integers.
  public static let i64 = Self("I64", 8)
  /// 32-bit signed integers.
  public static let i32 = Self("I32", 4)
  /// 16-bit signed integers.
  public static let i16 = Self("I16", 2)
  /// 8-bit signed integers.
  public static let i8 = Self("I8", 1)
  /// 8-bit unsigned integers.
  public static let u8 = Self("U8", 1)
  /// Truth values, one a byte.
  public static let bool = Self("BOOL", 1)

  /// All formats this version reads.
  public static let supported: [Self] = [.f32, .f16, .bf16, .f64, .i64, .i32, .i16, .i8, .u8, .bool]

  /// Finds a format by its name.
  ///
  /// - Parameter name: The name in the file.
  public init?(name: String) {
    guard let type = Self.supported.first(where: { $0.description == name }) else { return nil }
    self = type
  }
}
