// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0
// The names are ggml's own.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

/// How the numbers of a GGUF tensor are stored: which block format, how many numbers and bytes a block has.
///
/// ```swift
/// let type = try GGUFTensorType(rawValue: 12)  // Q4_K
/// type.bytes(forElements: 512)                 // 288
/// ```
public struct GGUFTensorType: Hashable, Sendable, CustomStringConvertible {
  /// The number GGUF files write for this type.
  public let rawValue: UInt32
  /// The name ggml gives the type, such as `Q4_K`.
  public let description: String
  /// How many numbers one block holds; a row's length is a multiple of it.
  public let elementsPerBlock: Int
  /// How many bytes one block takes.
  public let bytesPerBlock: Int

  private init(_ rawValue: UInt32, _ name: String, elements: Int, bytes: Int) {
    self.rawValue = rawValue
    self.description = name
    self.elementsPerBlock = elements
    self.bytesPerBlock = bytes
  }

  /// 32-bit floating point.
  public static let f32 = Self(0, "F32", elements: 1, bytes: 4)
  /// 16-bit IEEE floating point.
  public static let f16 = Self(1, "F16", elements: 1, bytes: 2)
  /// 4 bits, one f16 scale per 32.
  public static let q4_0 = Self(2, "Q4_0", elements: 32, bytes: 18)
  /// 4 bits, f16 scale and minimum per 32.
  public static let q4_1 = Self(3, "Q4_1", elements: 32, bytes: 20)
  /// 5 bits, one f16 scale per 32.
  public static let q5_0 = Self(6, "Q5_0", elements: 32, bytes: 22)
  /// 5 bits, f16 scale and minimum per 32.
  public static let q5_1 = Self(7, "Q5_1", elements: 32, bytes: 24)
  /// 8 bits, one f16 scale per 32.
  public static let q8_0 = Self(8, "Q8_0", elements: 32, bytes: 34)
  /// 2 bits in super-blocks of 256 with 4-bit scales and minimums.
  public static let q2_K = Self(10, "Q2_K", elements: 256, bytes: 84)
  /// 3 bits in super-blocks of 256 with 6-bit scales.
  public static let q3_K = Self(11, "Q3_K", elements: 256, bytes: 110)
  /// 4 bits in super-blocks of 256 with 6-bit scales and minimums.
  public static let q4_K = Self(12, "Q4_K", elements: 256, bytes: 144)
  /// 5 bits in super-blocks of 256 with 6-bit scales and minimums.
  public static let q5_K = Self(13, "Q5_K", elements: 256, bytes: 176)
  /// 6 bits in super-blocks of 256 with 8-bit scales.
  public static let q6_K = Self(14, "Q6_K", elements: 256, bytes: 210)
  /// The upper 16 bits of a 32-bit floating point number.
  public static let bf16 = Self(30, "BF16", elements: 1, bytes: 2)

  /// The types this version can compute with.
  public static let supported: [Self] = [
    .f32, .f16, .bf16, .q8_0, .q4_0, .q4_1, .q5_0, .q5_1, .q2_K, .q3_K, .q4_K, .q5_K, .q6_K,
  ]

  /// Finds the type a file means by `rawValue`.
  ///
  /// - Parameter rawValue: The number in the file.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/unsupported`` that lists the supported types.
  public init(rawValue: UInt32) throws(ModelError) {
    guard let type = Self.supported.first(where: { $0.rawValue == rawValue }) else {
      throw Self.unsupported("number \(rawValue)")
    }
    self = type
  }

  static func unsupported(_ what: String) -> ModelError {
    let names = supported.map(\.description).joined(separator: ", ")
    return ModelError(
      .unsupported,
      "Tensor type \(what) is not supported; convert the model to one of \(names)."
    )
  }

  /// The bytes that `count` numbers take, or `nil` if that is no whole number of blocks or overflows.
  ///
  /// - Parameter count: How many numbers.
  /// - Returns: The size in bytes, or `nil`.
  public func bytes(forElements count: Int) -> Int? {
    guard count >= 0, count.isMultiple(of: elementsPerBlock) else { return nil }
    let (bytes, overflow) = (count / elementsPerBlock).multipliedReportingOverflow(by: bytesPerBlock)
    return overflow ? nil : bytes
  }
}
