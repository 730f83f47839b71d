// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Outputs that become the next layer's activations.
extension LinearLayer {
  /// Computes all outputs and quantises them for the next layer.
  ///
  /// The codes, scales and sums have the bits that storing floats and quantising them would give. Per block of columns they
  /// are rounded while they are in the cache, and no matrix of floats exists. One scale a row is known only after the row's
  /// last column: then `target` keeps the floats as well, in memory that it takes once, and each thread rounds whole rows.
  ///
  /// - Parameters:
  ///   - activations: Rows in the form ``LinearLayer/activationFormat``, ``LinearLayer/inputWidth`` long.
  ///   - target: Other activations, which become rows of ``LinearLayer/outputWidth`` in the form `format`.
  ///   - format: The form that the next layer wants, its ``LinearLayer/activationFormat``.
  ///   - epilogue: What happens to the sums before they are rounded.
  ///   - pool: The threads; the result is the same for any number.
  /// - Throws: ``KernelError`` with code ``KernelError/Code/invalidShape``, ``KernelError/Code/invalidBlock`` where the
  ///   outputs are not whole blocks, ``KernelError/Code/unsupportedFormat`` for ``ActivationFormat/float32``, or
  ///   ``KernelError/Code/outOfMemory``.
  public func multiply(
    _ activations: Activations,
    quantisedInto target: Activations,
    as format: ActivationFormat = .int8PerBlock32,
    epilogue: Epilogue = .none,
    pool: WorkerPool
  ) throws(KernelError) {
    guard format != .float32 else {
      throw KernelError(.unsupportedFormat, "floats are not quantised: store the outputs as they are")
    }
    guard target !== activations, activations.format == activationFormat, activations.width == inputWidth,
      format.blockLength.map({ $0 % panelWidth == 0 || panelWidth % $0 == 0 }) ?? true
    else {
      throw KernelError(
        .invalidShape,
        "activations of rows of \(activations.width) (\(activations.format)) do not fit a layer of \(inputWidth) "
          + "(\(activationFormat)), or panels of \(panelWidth) columns no blocks, or target and source are the same"
      )
    }
    guard let blockLength = format.blockLength else {
      try quantiseRows(of: activations, into: target, epilogue, pool)
      return
    }
    try target.prepare(rows: activations.rows, width: outputWidth, format: format)
    guard activations.rows > 0 else { return }
    let group = max(1, max(128, blockLength) / panelWidth)
    pool.run((panelCount + group - 1) / group) { index in
      let panels = index * group..<min(panelCount, (index + 1) * group)
      quantise(panels, of: activations, into: target, epilogue)
    }
  }

  /// The outputs as floats, then row by row.
  private func quantiseRows(
    of activations: Activations,
    into target: Activations,
    _ epilogue: Epilogue,
    _ pool: WorkerPool
  ) throws(KernelError) {
    let rows = activations.rows
    // The target has room for rows of floats too, taken once and used from step to step.
    try target.prepare(rows: rows, width: outputWidth, format: .float32)
    let stride = target.valueStride
    let floats = unsafe target.floats
    var whole = epilogue
    whole.firstColumn = 0
    unsafe multiply(activations, into: floats, outputStride: stride, epilogue: whole, pool: pool)
    try target.prepare(rows: rows, width: outputWidth, format: .int8PerRow)
    let pieces = min(rows, pool.threadCount * 4)
    pool.run(pieces) { index in
      let part = rows * index / pieces..<rows * (index + 1) / pieces
      unsafe target.quantizeRows(part, from: floats, stride: stride)
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
