// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The exact sums of int8 layers, for hosts that scale on their own.
extension LinearLayer {
  /// Computes all outputs of an int8 layer as exact sums of products of codes, before any scale.
  ///
  /// The float output is `sum * (row scale * column scale)`. Tiles store straight to `output`, so this costs no more than the
  /// float epilogue.
  ///
  /// - Parameters:
  ///   - activations: Rows in the form ``ActivationFormat/int8PerRow``, ``LinearLayer/inputWidth`` long. A row that is not
  ///     finite has codes of zero.
  ///   - output: `[rows × outputWidth]`, row-major.
  ///   - pool: The threads; the result is the same for any number.
  /// - Throws: ``KernelError`` with code ``KernelError/Code/unsupportedFormat`` where the layer's format is not
  ///   ``WeightFormat/int8`` or the layer is a host's own, or ``KernelError/Code/invalidShape``.
  public func integerSums(
    _ activations: Activations,
    into output: AlignedBuffer<Int32>,
    pool: WorkerPool
  ) throws(KernelError) {
    guard let layer = self as? Int8LinearLayer else {
      throw KernelError(.unsupportedFormat, "\(format) layers have no integer sums: only int8 layers do")
    }
    try checkShape(activations, outputs: output.count)
    let slices = PanelSplit(self, rows: activations.rows, threads: pool.threadCount)
    pool.run(slices.count) { index in
      unsafe layer.multiply(
        activations,
        panels: slices[index],
        integerSumsInto: output.base,
        outputStride: outputWidth
      )
    }
  }
}
