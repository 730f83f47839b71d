// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import CTenfoldKernels
import TenfoldKernels

extension DecoderRunner {
  func normalise(
    _ input: UnsafeMutablePointer<Float>,
    _ weight: AlignedBuffer<Float>,
    rows: Int,
    for formats: Set<ActivationFormat>
  ) throws(ModelError) {
    let width = model.configuration.width
    let epsilon = model.configuration.normEpsilon
    try prepareActivations(rows: rows, width: width, formats: formats)
    forRows(rows) { row, _ in
      unsafe elementwise.pointee.rms_norm(
        input + row * width,
        weight.base,
        normed.base + row * width,
        width,
        epsilon
      )
      for format in formats { unsafe round(row, of: normed.base, width, format, precision) }
    }
  }

  func quantise(
    _ input: UnsafeMutablePointer<Float>,
    rows: Int,
    width: Int,
    formats: Set<ActivationFormat>,
    precision: DecoderPrecision
  ) throws(ModelError) {
    try prepareActivations(rows: rows, width: width, formats: formats)
    forRows(rows) { row, _ in
      for format in formats { unsafe round(row, of: input, width, format, precision) }
    }
  }

  func prepareActivations(rows: Int, width: Int, formats: Set<ActivationFormat>) throws(ModelError) {
    roundedRows = rows
    try ModelError.wrapping("Step buffers") { () throws(KernelError) in
      for format in formats {
        try activations(format).prepare(rows: rows, width: width, format: format)
        guard format == .int8PerBlock32, precision == .high else { continue }
        if rows == 1 {
          try pairActivations.prepare(rows: 2, width: width, format: format)
        } else {
          try remainderActivations.prepare(rows: rows, width: width, format: format)
        }
      }
    }
  }

  /// Rounds a row, and what that leaves over.
  func round(
    _ row: Int,
    of input: UnsafeMutablePointer<Float>,
    _ width: Int,
    _ format: ActivationFormat,
    _ precision: DecoderPrecision
  ) {
    let hasRemainder = format == .int8PerBlock32 && precision == .high
    let rounded = hasRemainder && isPaired ? pairActivations : activations(format)
    unsafe rounded.quantizeRows(row..<row + 1, from: input, stride: width)
    guard hasRemainder else { return }
    unsafe elementwise.pointee.remainders(
      input + row * width,
      rounded.values + row * rounded.valueStride,
      rounded.scales + row * rounded.blocks,
      remainders.base + row * width,
      width
    )
    if isPaired {
      unsafe rounded.quantizeRows(1..<2, from: remainders.base, stride: 0)
    } else {
      unsafe remainderActivations.quantizeRows(row..<row + 1, from: remainders.base, stride: width)
    }
  }

  func activations(_ format: ActivationFormat) -> Activations {
    format == .float32 ? floatActivations : blockActivations
  }
}
