// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldKernels
import Testing

/// A small generator with a printed seed.
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

  mutating func next() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state
  }

  mutating func unit() -> Float { Float(next() >> 40) / Float(1 << 23) - 1 }
}

enum KernelFixtures {
  /// Random blocks whose scales are ordinary numbers.
  static func weights(_ format: WeightFormat, rows: Int, columns: Int, seed: UInt64) throws -> [UInt8] {
    var generator = SeededGenerator(seed)
    let count = try #require(format.byteCount(elements: columns)) * rows
    var bytes = (0..<count).map { _ in UInt8(truncatingIfNeeded: generator.next() >> 20) }
    func half(_ at: Int) { bytes[at + 1] = 0x20 | bytes[at + 1] & 0x8F }
    for start in stride(from: 0, to: count, by: format.bytesPerBlock) {
      switch format {
      case .q6_k: half(start + 208)
      case .q3_k: half(start + 108)
      case .q2_k:
        half(start + 80)
        half(start + 82)
      case .q4_1, .q5_1, .q4_k, .q5_k:
        half(start)
        half(start + 2)
      case .bf16: bytes[start + 1] = 0x3C | bytes[start + 1] & 0x83
      case .f32:
        let bits = generator.unit().bitPattern
        for byte in 0..<4 { bytes[start + byte] = UInt8(truncatingIfNeeded: bits >> (8 * UInt32(byte))) }
      default: half(start)
      }
    }
    return bytes
  }

  static func layer(
    _ format: WeightFormat,
    bytes: [UInt8],
    rows: Int,
    columns: Int,
    _ set: InstructionSet
  ) throws -> any LinearLayer {
    try unsafe bytes.withUnsafeBytes {
      try unsafe LinearLayerFactory.make(
        format: format,
        bytes: $0,
        rows: rows,
        columns: columns,
        instructionSet: set
      )
    }
  }

  static func floats(_ format: WeightFormat, bytes: [UInt8], count: Int) throws -> [Float] {
    var floats = [Float](repeating: 0, count: count)
    try unsafe bytes.withUnsafeBytes { source in
      try unsafe floats.withUnsafeMutableBufferPointer {
        try unsafe dequantize(format: format, bytes: source, into: $0)
      }
    }
    return floats
  }

  static let packedFormats = WeightFormat.all.filter { $0 != .int8 }
}
