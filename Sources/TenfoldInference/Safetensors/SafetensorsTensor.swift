// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// One tensor of a safetensors file; its place and size were checked when the file was opened.
///
/// ```swift
/// let weights = try file.tensor(named: "embeddings.word_embeddings.weight").floats()
/// ```
public struct SafetensorsTensor: Sendable {
  /// The name in the file.
  public let name: String
  /// The number format.
  public let type: SafetensorsType
  /// The extents, slowest first; empty for a single number.
  public let shape: [Int]
  /// Where the tensor starts in the file, in bytes.
  public let fileOffset: Int
  /// The size in bytes.
  public let byteCount: Int
  let file: MappedFile

  /// The number of values.
  public var elementCount: Int { byteCount / type.byteCount }

  /// Calls `body` with the tensor's bytes.
  ///
  /// - Parameter body: Receives `byteCount` bytes, which must not escape it unless this value is kept as long.
  /// - Returns: What `body` returns.
  /// - Throws: What `body` throws.
  public func withUnsafeBytes<R, E: Error>(
    _ body: (UnsafeRawBufferPointer) throws(E) -> R
  ) throws(E) -> R {
    try unsafe file.withUnsafeBytes { (bytes) throws(E) -> R in
      // The range was checked against the file's size when the file was opened.
      try unsafe body(UnsafeRawBufferPointer(rebasing: bytes[fileOffset..<fileOffset + byteCount]))
    }
  }

  /// The values as 32-bit floating point, row-major.
  ///
  /// - Returns: `elementCount` values.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/unsupported`` for integer tensors.
  public func floats() throws(ModelError) -> [Float] {
    guard type == .f32 || type == .f16 || type == .bf16 else {
      throw ModelError(.unsupported, "Tensor \(name) is \(type); weights must be F32, F16 or BF16.")
    }
    return unsafe withUnsafeBytes { bytes in
      // Loads are within `byteCount`, which is a whole number of elements.
      unsafe [Float](unsafeUninitializedCapacity: elementCount) { values, count in
        for index in 0..<elementCount {
          switch type {
          case .f32:
            let bits = unsafe bytes.loadUnaligned(fromByteOffset: index * 4, as: UInt32.self)
            unsafe values[index] = Float(bitPattern: UInt32(littleEndian: bits))
          default:
            let bits = UInt16(
              littleEndian: unsafe bytes.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self)
            )
            unsafe values[index] =
              type == .bf16 ? Float(bitPattern: UInt32(bits) << 16) : Self.float(half: bits)
          }
        }
        count = elementCount
      }
    }
  }

  /// Widens an IEEE half by its bits, as `Float16` does not exist on every platform.
  private static func float(half bits: UInt16) -> Float {
    let sign = UInt32(bits & 0x8000) << 16
    let exponent = UInt32(bits >> 10 & 0x1f)
    let fraction = UInt32(bits & 0x3ff)
    if exponent == 0x1f { return Float(bitPattern: sign | 0x7f80_0000 | fraction << 13) }
    if exponent == 0 {
      let value = Float(fraction) * 0x1p-24
      return sign == 0 ? value : -value
    }
    return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
  }

  /// How many values are not numbers; 0 for integers.
  var nanCount: Int {
    unsafe withUnsafeBytes { bytes in
      // Loads are within `byteCount`, which is a whole number of elements.
      var count = 0
      switch type {
      case .f32:
        for offset in stride(from: 0, to: byteCount, by: 4) {
          let bits = UInt32(littleEndian: unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
          if bits & 0x7fff_ffff > 0x7f80_0000 { count += 1 }
        }
      case .f64:
        for offset in stride(from: 0, to: byteCount, by: 8) {
          let bits = UInt64(littleEndian: unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
          if bits << 1 > 0x7ff0_0000_0000_0000 << 1 { count += 1 }
        }
      case .f16, .bf16:
        let infinity: UInt16 = type == .f16 ? 0x7c00 : 0x7f80
        for offset in stride(from: 0, to: byteCount, by: 2) {
          let bits = UInt16(littleEndian: unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
          if bits & 0x7fff > infinity { count += 1 }
        }
      default:
        break
      }
      return count
    }
  }
}
