// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldKernels

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// Cosines and sines of every position, computed in double precision and rounded once.
///
/// A row holds `length` cosines and then `length` sines in the order of the element-wise kernels.
struct RotationTable: Sendable {
  /// Rotated elements of a head.
  let length: Int
  private let values: AlignedBuffer<Float>

  init(_ configuration: DecoderConfiguration, positions: Int, factors: [Float]) throws(ModelError) {
    let length = configuration.rotatedLength
    let half = length / 2
    let values: AlignedBuffer<Float> = try ModelError.wrapping { () throws(KernelError) in
      try AlignedBuffer(count: positions * length * 2)
    }
    self.length = length
    self.values = values
    for index in 0..<half {
      let exponent = -2 * Double(index) / Double(length)
      let divisor = index < factors.count ? Double(factors[index]) : 1
      let frequency = pow(configuration.rotationBase, exponent) / divisor
      for position in 0..<positions {
        let angle = Double(position) * frequency
        let (c, s) = (Float(cos(angle)), Float(sin(angle)))
        let row = position * length * 2
        // All indices stay below positions * length * 2.
        switch configuration.rotationStyle {
        case .pairs:
          unsafe values.base[row + 2 * index] = c
          unsafe values.base[row + 2 * index + 1] = c
          unsafe values.base[row + length + 2 * index] = -s
          unsafe values.base[row + length + 2 * index + 1] = s
        case .halves:
          unsafe values.base[row + index] = c
          unsafe values.base[row + length + index] = s
        }
      }
    }
  }

  /// The row of a position below the table's end.
  func row(_ position: Int) -> UnsafePointer<Float> {
    unsafe UnsafePointer(values.base + position * length * 2)
  }
}
