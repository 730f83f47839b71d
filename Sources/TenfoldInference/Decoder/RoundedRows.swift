// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import CTenfoldKernels
import TenfoldKernels

/// The rows of a step rounded to 8 bits per block, and in the high precision what that left over, rounded likewise.
final class RoundedRows: Sendable {
  let rows: Activations
  let remainders: Activations
  /// For a step of one row: the rounded row and what that left over, side by side, so that weights are unpacked once for
  /// both.
  let pair: Activations
  private let format: ActivationFormat

  /// Makes room for rows; memory is taken when the format is first used.
  init(
    capacity: Int,
    width: Int,
    format: ActivationFormat,
    instructionSet: InstructionSet
  ) throws(KernelError) {
    self.format = format
    rows = try Activations(capacity: capacity, width: width, instructionSet: instructionSet)
    remainders = try Activations(capacity: capacity, width: width, instructionSet: instructionSet)
    pair = try Activations(capacity: 2, width: width, instructionSet: instructionSet)
  }

  func prepare(rows count: Int, width: Int, precision: DecoderPrecision) throws(KernelError) {
    try rows.prepare(rows: count, width: width, format: format)
    guard precision == .high else { return }
    if count == 1 {
      try pair.prepare(rows: 2, width: width, format: format)
    } else {
      try remainders.prepare(rows: count, width: width, format: format)
    }
  }

  /// Rounds a row of `input`, which are `width` apart, in the standard precision.
  func round(_ row: Int, of input: UnsafeMutablePointer<Float>, _ width: Int) {
    unsafe rows.quantizeRows(row..<row + 1, from: input, stride: width)
  }

  /// Rounds a row, and what that leaves over, for which `scratch` has room in rows of `width`.
  func roundTwice(
    _ row: Int,
    of input: UnsafeMutablePointer<Float>,
    _ width: Int,
    isPaired: Bool,
    _ elementwise: UnsafePointer<tenfold_elementwise_kernels>,
    _ scratch: UnsafeMutablePointer<Float>
  ) {
    let rounded = isPaired ? pair : rows
    unsafe rounded.quantizeRows(row..<row + 1, from: input, stride: width)
    unsafe elementwise.pointee.remainders(
      input + row * width,
      rounded.values + row * rounded.valueStride,
      rounded.scales + row * rounded.blocks,
      scratch + row * width,
      width
    )
    if isPaired {
      unsafe pair.quantizeRows(1..<2, from: scratch, stride: 0)
    } else {
      unsafe remainders.quantizeRows(row..<row + 1, from: scratch, stride: width)
    }
  }
}
