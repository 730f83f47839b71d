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
      if forms.blocks { try blockRows.prepare(rows: rows, width: width, precision: precision) }
      if forms.longBlocks { try longBlockRows.prepare(rows: rows, width: width, precision: precision) }
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
    guard precision == .high else {
      if forms.blocks { unsafe blockRows.round(row, of: input, width) }
      if forms.longBlocks { unsafe longBlockRows.round(row, of: input, width) }
      return
    }
    let scratch = unsafe remainders.base
    if forms.blocks {
      unsafe blockRows.roundTwice(row, of: input, width, isPaired: isPaired, elementwise, scratch)
    }
    if forms.longBlocks {
      unsafe longBlockRows.roundTwice(row, of: input, width, isPaired: isPaired, elementwise, scratch)
    }
  }
}
