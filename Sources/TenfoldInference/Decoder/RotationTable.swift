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

/// Cosines and sines of positions, computed in double precision and rounded once, when a position is first needed.
///
/// A row holds `length` cosines and then `length` sines in the order of the element-wise kernels.
struct RotationTable {
  /// Rotated elements of a head.
  let length: Int
  private let style: DecoderConfiguration.RotationStyle
  private let frequencies: [Double]
  private let magnitude: Double
  private let positions: Int
  private let values: AlignedBuffer<Float>
  /// Positions whose rows are there.
  private var filled = 0

  init(_ configuration: DecoderConfiguration, positions: Int, factors: [Float]) throws(ModelError) {
    let length = configuration.rotatedLength
    self.length = length
    self.positions = positions
    style = configuration.rotationStyle
    values = try ModelError.wrapping { () throws(KernelError) in
      try AlignedBuffer(count: positions * length * 2)
    }
    let (base, scaling) = (configuration.rotationBase, configuration.positionScaling)
    magnitude = scaling.magnitude
    frequencies = (0..<length / 2).map { index in
      let exponent = -2 * Double(index) / Double(length)
      let divisor = index < factors.count ? Double(factors[index]) : 1
      return scaling.scaled(pow(base, exponent) / divisor, index: index, length: length, base: base)
    }
  }

  /// Makes sure of the rows of the first `count` positions; 256 more at a time, so that it is seldom to be done.
  mutating func fill(_ count: Int) {
    precondition(count <= positions, "A position lies beyond the context.")
    guard count > filled else { return }
    let end = min(positions, (count + 255) / 256 * 256)
    for position in filled..<end {
      let row = position * length * 2
      for (index, frequency) in frequencies.enumerated() {
        let angle = Double(position) * frequency
        let (c, s) = (Float(cos(angle) * magnitude), Float(sin(angle) * magnitude))
        // All indices stay below positions * length * 2.
        switch style {
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
    filled = end
  }

  /// The row of a position that was filled.
  func row(_ position: Int) -> UnsafePointer<Float> {
    unsafe UnsafePointer(values.base + position * length * 2)
  }
}
