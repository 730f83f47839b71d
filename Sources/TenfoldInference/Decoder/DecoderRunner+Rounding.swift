// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import CTenfoldKernels
import TenfoldKernels

extension DecoderRunner {
  func normalise(
    _ input: UnsafeMutablePointer<Float>,
    _ weight: AlignedBuffer<Float>,
    rows: Int,
    for forms: RowForms
  ) throws(ModelError) {
    let width = model.configuration.width
    let epsilon = model.configuration.normEpsilon
    try prepareActivations(rows: rows, width: width, forms)
    forRows(rows) { row, _ in
      unsafe elementwise.pointee.rms_norm(
        input + row * width,
        weight.base,
        normed.base + row * width,
        width,
        epsilon
      )
      unsafe round(row, of: normed.base, width, forms, precision)
    }
  }

  func quantise(
    _ input: UnsafeMutablePointer<Float>,
    rows: Int,
    width: Int,
    for forms: RowForms,
    precision: DecoderPrecision
  ) throws(ModelError) {
    try prepareActivations(rows: rows, width: width, forms)
    forRows(rows) { row, _ in unsafe round(row, of: input, width, forms, precision) }
  }

  func prepareActivations(rows: Int, width: Int, _ forms: RowForms) throws(ModelError) {
    roundedRows = rows
    try ModelError.wrapping("Step buffers") { () throws(KernelError) in
      if forms.floats { try floatActivations.prepare(rows: rows, width: width, format: .float32) }
      guard forms.blocks else { return }
      let format = ActivationFormat.int8PerBlock32
      try blockActivations.prepare(rows: rows, width: width, format: format)
      guard precision == .high else { return }
      if rows == 1 {
        try pairActivations.prepare(rows: 2, width: width, format: format)
      } else {
        try remainderActivations.prepare(rows: rows, width: width, format: format)
      }
    }
  }

  /// Rounds a row, and what that leaves over.
  private func round(
    _ row: Int,
    of input: UnsafeMutablePointer<Float>,
    _ width: Int,
    _ forms: RowForms,
    _ precision: DecoderPrecision
  ) {
    if forms.floats { unsafe floatActivations.quantizeRows(row..<row + 1, from: input, stride: width) }
    guard forms.blocks else { return }
    guard precision == .high else {
      unsafe blockActivations.quantizeRows(row..<row + 1, from: input, stride: width)
      return
    }
    let rounded = isPaired ? pairActivations : blockActivations
    unsafe rounded.quantizeRows(row..<row + 1, from: input, stride: width)
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
}
