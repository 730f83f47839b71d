// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

internal import CTenfoldKernels

// The underscore is part of these formats' names everywhere else.
// swift-format-ignore: AlwaysUseLowerCamelCase
/// How the weights of a matrix are stored.
///
/// ```swift
/// let bytes = WeightFormat.q4_1.byteCount(elements: 576)
/// ```
public struct WeightFormat: Hashable, Sendable, CustomStringConvertible {
  /// What the kernels see of a format.
  package enum Kind: Hashable, Sendable {
    case int8
    case block(UInt32)
    case float(UInt32)
  }

  /// The name, as GGUF tools print it in lower case.
  public let name: String
  /// The number of elements in one block; 1 for plain element types.
  public let blockSize: Int
  /// The bytes of one block as on disk.
  public let bytesPerBlock: Int
  /// The number of this type in a GGUF file, where it has one.
  public let ggufTypeID: UInt32?
  package let kind: Kind

  /// Int8 with one scale per output column; made from float weights.
  public static let int8 = Self(name: "int8", blockSize: 1, bytesPerBlock: 1, ggufTypeID: nil, kind: .int8)
  /// 8-bit codes with a scale per 32.
  public static let q8_0 = block("q8_0", 32, 34, 8, TENFOLD_Q8_0)
  /// 4-bit codes with a scale per 32, centred at 8.
  public static let q4_0 = block("q4_0", 32, 18, 2, TENFOLD_Q4_0)
  /// 4-bit codes with a scale and an offset per 32.
  public static let q4_1 = block("q4_1", 32, 20, 3, TENFOLD_Q4_1)
  /// 5-bit codes with a scale per 32, centred at 16.
  public static let q5_0 = block("q5_0", 32, 22, 6, TENFOLD_Q5_0)
  /// 5-bit codes with a scale and an offset per 32.
  public static let q5_1 = block("q5_1", 32, 24, 7, TENFOLD_Q5_1)
  /// 4-bit codes in super-blocks of 256 with 6-bit scales and minimums per 32.
  public static let q4_k = block("q4_k", 256, 144, 12, TENFOLD_Q4_K)
  /// 5-bit codes in super-blocks of 256 with 6-bit scales and minimums per 32.
  public static let q5_k = block("q5_k", 256, 176, 13, TENFOLD_Q5_K)
  /// 6-bit codes in super-blocks of 256 with 8-bit scales per 16.
  public static let q6_k = block("q6_k", 256, 210, 14, TENFOLD_Q6_K)
  /// 3-bit codes in super-blocks of 256 with 6-bit scales per 16; they take 4 bits once packed.
  public static let q3_k = block("q3_k", 256, 110, 11, TENFOLD_Q3_K)
  /// 2-bit codes in super-blocks of 256 with 4-bit scales and minimums per 16.
  public static let q2_k = block("q2_k", 256, 84, 10, TENFOLD_Q2_K)
  /// 32-bit floats.
  public static let f32 = Self(
    name: "f32",
    blockSize: 1,
    bytesPerBlock: 4,
    ggufTypeID: 0,
    kind: .float(TENFOLD_F32.rawValue)
  )
  /// 16-bit IEEE floats.
  public static let f16 = Self(
    name: "f16",
    blockSize: 1,
    bytesPerBlock: 2,
    ggufTypeID: 1,
    kind: .float(TENFOLD_F16.rawValue)
  )
  /// 16-bit floats with the exponent of 32-bit ones.
  public static let bf16 = Self(
    name: "bf16",
    blockSize: 1,
    bytesPerBlock: 2,
    ggufTypeID: 30,
    kind: .float(TENFOLD_BF16.rawValue)
  )

  /// Every format.
  public static let all: [WeightFormat] = [
    .int8, .q8_0, .q4_0, .q4_1, .q5_0, .q5_1, .q4_k, .q5_k, .q6_k, .q3_k, .q2_k, .f32, .f16, .bf16,
  ]

  private static func block(
    _ name: String,
    _ size: Int,
    _ bytes: Int,
    _ typeID: UInt32,
    _ format: tenfold_block_format
  ) -> Self {
    Self(name: name, blockSize: size, bytesPerBlock: bytes, ggufTypeID: typeID, kind: .block(format.rawValue))
  }

  private init(name: String, blockSize: Int, bytesPerBlock: Int, ggufTypeID: UInt32?, kind: Kind) {
    self.name = name
    self.blockSize = blockSize
    self.bytesPerBlock = bytesPerBlock
    self.ggufTypeID = ggufTypeID
    self.kind = kind
  }

  /// Finds the format of a GGUF tensor type.
  ///
  /// - Parameter ggufTypeID: The number in the tensor's header.
  public init?(ggufTypeID: UInt32) {
    guard let format = Self.all.first(where: { $0.ggufTypeID == ggufTypeID }) else { return nil }
    self = format
  }

  /// The bytes that a row takes on disk, or `nil` when it is not a whole number of blocks or overflows.
  ///
  /// - Parameter elements: The row's length.
  /// - Returns: Bytes.
  public func byteCount(elements: Int) -> Int? {
    guard elements >= 0, elements.isMultiple(of: blockSize) else { return nil }
    let (bytes, overflow) = (elements / blockSize).multipliedReportingOverflow(by: bytesPerBlock)
    return overflow ? nil : bytes
  }

  /// The form in which activations meet weights of this format.
  public var activationFormat: ActivationFormat {
    switch kind {
    case .int8: .int8PerRow
    case .block: blockSize == 256 ? .int8PerBlock256 : .int8PerBlock32
    case .float: .float32
    }
  }

  /// The name.
  public var description: String { name }
}
