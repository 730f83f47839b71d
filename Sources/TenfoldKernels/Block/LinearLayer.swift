// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A weight matrix `W [outputWidth × inputWidth]`, packed for this CPU: `y = epilogue(x * Wᵀ)`.
///
/// The result of a row depends on that row alone: not on the other rows of a call, nor on threads.
///
/// ```swift
/// let layer = try LinearLayerFactory.make(format: .q4_1, bytes: bytes, rows: 1_536, columns: 576)
/// try layer.apply(x.span, rows: 1, into: &y)
/// ```
public protocol LinearLayer: Sendable {
  /// The length of a row of activations.
  var inputWidth: Int { get }
  /// The length of a row of results.
  var outputWidth: Int { get }
  /// How the weights are stored.
  var format: WeightFormat { get }
  /// The form in which activations must come.
  var activationFormat: ActivationFormat { get }
  /// The bytes of the packed weights.
  var byteCount: Int { get }
  /// The number of slices into which the output columns are cut; slices are the unit of work for threads.
  var panelCount: Int { get }
  /// The output columns of one slice; the last slice may hold fewer.
  var panelWidth: Int { get }
  /// The slices that are best computed at once for so many rows: pieces of work begin at multiples of them. 1 unless said.
  func panelGroup(rows: Int) -> Int
  /// The backend, the tile and the blocking, for people.
  var explanation: String { get }

  /// Computes the output columns of some slices on the calling thread, for all rows of `activations`.
  ///
  /// Threads may call this at once for different slices, so that an engine can put several layers into one parallel
  /// region. Wrong widths or formats are programmer errors and trap.
  ///
  /// - Parameters:
  ///   - activations: Rows in the form ``activationFormat``, ``inputWidth`` long.
  ///   - panels: Slices below ``panelCount``.
  ///   - output: Row 0 and column ``Epilogue/firstColumn`` of the result `[rows × outputStride]`, row-major, whatever the
  ///     slices are.
  ///   - outputStride: Floats from one row to the next, at least as many as are stored.
  ///   - epilogue: What happens to the sums; its pointers also start at row 0, column 0.
  func multiply(
    _ activations: Activations,
    panels: Range<Int>,
    into output: UnsafeMutablePointer<Float>,
    outputStride: Int,
    epilogue: Epilogue
  )
}

extension LinearLayer {
  /// Any slice may begin a piece of work.
  public func panelGroup(rows: Int) -> Int { 1 }

  /// The format and the slices; layers that know more say more.
  public var explanation: String { "\(format), \(panelCount) panels of \(panelWidth) columns" }

  /// Computes all output columns of rows that are ready, with all checks.
  ///
  /// - Parameters:
  ///   - activations: Rows in the form ``LinearLayer/activationFormat``, ``LinearLayer/inputWidth`` long.
  ///   - output: `[rows × outputWidth]`, row-major.
  ///   - pool: The threads.
  /// - Throws: ``KernelError`` with code ``KernelError/Code/invalidShape``.
  public func apply(
    _ activations: Activations,
    into output: AlignedBuffer<Float>,
    pool: WorkerPool
  ) throws(KernelError) {
    try checkShape(activations, outputs: output.count)
    unsafe multiply(activations, into: output.base, outputStride: outputWidth, pool: pool)
  }

  /// Refuses activations of another form or width, and too little room for all output columns of their rows.
  func checkShape(_ activations: Activations, outputs available: Int) throws(KernelError) {
    let (outputs, overflow) = activations.rows.multipliedReportingOverflow(by: outputWidth)
    guard activations.format == activationFormat, activations.width == inputWidth, !overflow,
      available >= outputs
    else {
      throw KernelError(
        .invalidShape,
        "activations of \(activations.rows) rows of \(activations.width) (\(activations.format)) and \(available) "
          + "outputs do not fit a layer of \(inputWidth) (\(activationFormat)) and \(outputWidth)"
      )
    }
  }

  /// Computes all output columns, split over a pool.
  ///
  /// - Parameters:
  ///   - activations: Rows in the form ``LinearLayer/activationFormat``, ``LinearLayer/inputWidth`` long.
  ///   - output: Row 0 of the result `[rows × outputStride]`, row-major.
  ///   - outputStride: Floats from one row to the next.
  ///   - epilogue: What happens to the sums.
  ///   - pool: The threads; returns when all are done.
  public func multiply(
    _ activations: Activations,
    into output: UnsafeMutablePointer<Float>,
    outputStride: Int,
    epilogue: Epilogue = .none,
    pool: WorkerPool
  ) {
    let slices = PanelSplit(self, rows: activations.rows, threads: pool.threadCount)
    pool.run(slices.count) { index in
      unsafe multiply(
        activations,
        panels: slices[index],
        into: output,
        outputStride: outputStride,
        epilogue: epilogue
      )
    }
  }

  /// Computes `activation(x * Wᵀ + bias)` with all checks.
  ///
  /// - Parameters:
  ///   - x: `[rows × inputWidth]`, row-major.
  ///   - rows: The number of rows; 0 is allowed.
  ///   - output: `[rows × outputWidth]`, row-major.
  ///   - bias: One addend per output column, or empty.
  ///   - activation: The function applied to the sums.
  ///   - pool: The threads; `nil` for the calling thread alone.
  /// - Throws: ``KernelError`` with code ``KernelError/Code/invalidShape`` or ``KernelError/Code/outOfMemory``.
  public func apply(
    _ x: Span<Float>,
    rows: Int,
    into output: inout MutableSpan<Float>,
    bias: [Float] = [],
    activation: Epilogue.Activation = .none,
    pool: WorkerPool? = nil
  ) throws(KernelError) {
    let (inputs, inputOverflow) = rows.multipliedReportingOverflow(by: inputWidth)
    let (outputs, outputOverflow) = rows.multipliedReportingOverflow(by: outputWidth)
    guard rows >= 0, !inputOverflow, !outputOverflow, x.count >= inputs, output.count >= outputs else {
      throw KernelError(
        .invalidShape,
        "\(x.count) inputs and \(output.count) outputs do not hold \(rows) rows of \(inputWidth) and \(outputWidth)"
      )
    }
    guard bias.isEmpty || bias.count == outputWidth else {
      throw KernelError(.invalidShape, "a bias of \(bias.count) does not fit \(outputWidth) output columns")
    }
    let activations = try Activations(capacity: rows, width: inputWidth)
    try activations.quantize(x, rows: rows, width: inputWidth, as: activationFormat, pool: pool)
    guard outputs > 0 else { return }
    unsafe bias.withUnsafeBufferPointer { biasBuffer in
      let epilogue = unsafe Epilogue(
        bias: bias.isEmpty ? nil : biasBuffer.baseAddress,
        activation: activation
      )
      unsafe output.withUnsafeMutableBufferPointer { buffer in
        guard let base = buffer.baseAddress else { return }
        if let pool {
          unsafe multiply(activations, into: base, outputStride: outputWidth, epilogue: epilogue, pool: pool)
        } else {
          unsafe multiply(
            activations,
            panels: 0..<panelCount,
            into: base,
            outputStride: outputWidth,
            epilogue: epilogue
          )
        }
      }
    }
  }
}
