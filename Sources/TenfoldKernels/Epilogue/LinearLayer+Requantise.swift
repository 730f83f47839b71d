// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Outputs that become the next layer's activations while they are in the cache.
extension LinearLayer {
  /// Computes all outputs and quantises them per block of 32 columns, without a matrix of floats.
  ///
  /// The codes, scales and sums have the bits that storing floats and quantising them would give. Layers that want one
  /// scale a row can't be served: that scale is known only after the last column.
  ///
  /// - Parameters:
  ///   - activations: Rows in the form ``LinearLayer/activationFormat``, ``LinearLayer/inputWidth`` long.
  ///   - target: Other activations, which become rows of ``LinearLayer/outputWidth`` in the form
  ///     ``ActivationFormat/int8PerBlock32``.
  ///   - epilogue: What happens to the sums before they are rounded.
  ///   - pool: The threads; the result is the same for any number.
  /// - Throws: ``KernelError`` with code ``KernelError/Code/invalidShape``, ``KernelError/Code/invalidBlock`` where the
  ///   outputs are not whole blocks, or ``KernelError/Code/outOfMemory``.
  public func multiply(
    _ activations: Activations,
    quantisedInto target: Activations,
    epilogue: Epilogue = .none,
    pool: WorkerPool
  ) throws(KernelError) {
    guard target !== activations, activations.format == activationFormat, activations.width == inputWidth,
      32 % panelWidth == 0 || panelWidth % 32 == 0
    else {
      throw KernelError(
        .invalidShape,
        "activations of rows of \(activations.width) (\(activations.format)) do not fit a layer of \(inputWidth) "
          + "(\(activationFormat)), or panels of \(panelWidth) columns no blocks, or target and source are the same"
      )
    }
    try target.prepare(rows: activations.rows, width: outputWidth, format: .int8PerBlock32)
    guard activations.rows > 0, outputWidth > 0 else { return }
    let group = max(1, 128 / panelWidth)
    pool.run((panelCount + group - 1) / group) { index in
      let panels = index * group..<min(panelCount, (index + 1) * group)
      quantise(panels, of: activations, into: target, epilogue)
    }
  }

  private func quantise(
    _ panels: Range<Int>,
    of activations: Activations,
    into target: Activations,
    _ epilogue: Epilogue
  ) {
    var part = epilogue
    part.firstColumn = panels.lowerBound * panelWidth
    let columns = part.firstColumn..<min(outputWidth, panels.upperBound * panelWidth)
    let bytes = activations.rows * columns.count * 4
    unsafe withUnsafeTemporaryAllocation(byteCount: bytes, alignment: 64) { scratch in
      guard let base = scratch.baseAddress else { return }
      let floats = unsafe base.bindMemory(to: Float.self, capacity: activations.rows * columns.count)
      unsafe multiply(
        activations,
        panels: panels,
        into: floats,
        outputStride: columns.count,
        epilogue: part
      )
      unsafe target.quantizeBlocks(columns, from: floats, stride: columns.count)
    }
  }
}
