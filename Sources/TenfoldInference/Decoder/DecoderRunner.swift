// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import CTenfoldKernels
import TenfoldKernels

/// Runs steps of a model: owns the buffers between its layers, and belongs to one thread at a time.
///
/// The bits of a row's result depend on the row's sequence only: not on the rows beside it, on how the sequence was cut
/// into steps, or on the number of threads.
@safe
final class DecoderRunner {
  let model: DecoderModel
  let memory: KeyValueMemory
  /// The most rows of a step.
  let maximumRows: Int
  /// The most rows of a step whose logits are wanted.
  let maximumLogitRows: Int
  let elementwise: UnsafePointer<tenfold_elementwise_kernels>
  let attention: UnsafePointer<tenfold_attention_kernels>
  let pool: WorkerPool
  var rotation: RotationTable
  let precision: DecoderPrecision

  // [rows × width], and likewise the others; the logits are [logit rows × vocabulary].
  let hidden: AlignedBuffer<Float>
  let normed: AlignedBuffer<Float>
  let queries: AlignedBuffer<Float>
  let keys: AlignedBuffer<Float>
  let values: AlignedBuffer<Float>
  let attended: AlignedBuffer<Float>
  let gated: AlignedBuffer<Float>
  let logits: AlignedBuffer<Float>
  let gates: AlignedBuffer<Float>
  let remainders: AlignedBuffer<Float>
  let blockRows: RoundedRows
  let longBlockRows: RoundedRows
  /// The products of a single rounded row and of what that left over.
  let pairSums: AlignedBuffer<Float>
  let pairStride: Int
  /// The rows that were rounded last.
  var roundedRows = 0
  var isPaired: Bool { roundedRows == 1 }
  let floatActivations: Activations
  var units: [AttentionUnit] = []
  /// The units' stretches, where those are spread over threads.
  var pieces: [AttentionPiece] = []
  /// What units spread over threads leave of each stretch; grows to the most that was needed.
  var partials: AlignedBuffer<Float>
  var rowPositions: [Int] = []
  var rowSpans: [Int] = []

  /// - Parameters:
  ///   - model: The weights.
  ///   - memory: The key-value pages.
  ///   - positions: The most tokens of a sequence.
  ///   - maximumRows: The most rows of a step.
  ///   - maximumLogitRows: The most rows whose logits are wanted.
  ///   - precision: How finely rows are rounded before a product.
  ///   - pool: The threads.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/storageFull``.
  init(
    model: DecoderModel,
    memory: KeyValueMemory,
    positions: Int,
    maximumRows: Int,
    maximumLogitRows: Int,
    precision: DecoderPrecision = .standard,
    pool: WorkerPool
  ) throws(ModelError) {
    let c = model.configuration
    self.model = model
    self.memory = memory
    self.pool = pool
    self.precision = precision
    self.maximumRows = maximumRows
    self.maximumLogitRows = maximumLogitRows
    unsafe elementwise = tenfold_elementwise_named(model.instructionSet.name)
    unsafe attention = tenfold_attention_named(model.instructionSet.name)
    rotation = try RotationTable(c, positions: positions, factors: model.rotationFactors)
    let widest = max(c.width, c.queryWidth, c.feedForwardWidth)
    (hidden, normed, queries, keys) = try ModelError.wrapping("Step buffers") { () throws(KernelError) in
      (
        try AlignedBuffer(count: maximumRows * c.width), try AlignedBuffer(count: maximumRows * c.width),
        try AlignedBuffer(count: maximumRows * c.queryWidth),
        try AlignedBuffer(count: maximumRows * c.keyValueWidth)
      )
    }
    (values, attended, gated, logits) = try ModelError.wrapping("Step buffers") { () throws(KernelError) in
      (
        try AlignedBuffer(count: maximumRows * c.keyValueWidth),
        try AlignedBuffer(count: maximumRows * c.queryWidth),
        try AlignedBuffer(count: maximumRows * c.feedForwardWidth),
        try AlignedBuffer(count: maximumLogitRows * model.vocabularySize)
      )
    }
    let isHigh = precision == .high
    // Queries, keys and values are computed at the same time.
    let stride = max(model.vocabularySize, widest, c.queryWidth + 2 * c.keyValueWidth + 32)
    pairStride = stride
    pairSums = try ModelError.wrapping("Step buffers") { () throws(KernelError) in
      try AlignedBuffer(count: isHigh ? 2 * stride : 0)
    }
    partials = try ModelError.wrapping("Step buffers") { () throws(KernelError) in try AlignedBuffer(count: 0)
    }
    (gates, remainders) = try ModelError.wrapping("Step buffers") { () throws(KernelError) in
      (
        try AlignedBuffer(count: isHigh ? maximumRows * c.feedForwardWidth : 0),
        try AlignedBuffer(count: isHigh ? maximumRows * widest : 0)
      )
    }
    func rounded(_ format: ActivationFormat) throws(ModelError) -> RoundedRows {
      try ModelError.wrapping("Step buffers") { () throws(KernelError) in
        try RoundedRows(
          capacity: maximumRows,
          width: widest,
          format: format,
          instructionSet: model.instructionSet
        )
      }
    }
    blockRows = try rounded(.int8PerBlock32)
    longBlockRows = try rounded(.int8PerBlock256)
    floatActivations = try ModelError.wrapping("Step buffers") { () throws(KernelError) in
      try Activations(capacity: maximumRows, width: widest, instructionSet: model.instructionSet)
    }
  }

  /// The logits of the `index`th of the last step's ``DecoderStep/logitRows``; valid until the next step.
  func logits(_ index: Int) -> UnsafeMutableBufferPointer<Float> {
    unsafe UnsafeMutableBufferPointer(
      start: logits.base + index * model.vocabularySize,
      count: model.vocabularySize
    )
  }

  /// Computes a step: stores the rows' keys and values and leaves the wanted logits.
  ///
  /// - Parameters:
  ///   - step: The rows; spans have pages for all their positions.
  ///   - isAbandoned: Asked between blocks; true ends the step without a result.
  /// - Returns: False if the step was abandoned.
  /// - Throws: ``ModelError`` for a token that is not in the vocabulary or memory that is not to be had.
  func run(_ step: DecoderStep, isAbandoned: () -> Bool = { false }) throws(ModelError) -> Bool {
    precondition(
      step.tokens.count <= maximumRows && step.logitRows.count <= maximumLogitRows,
      "The step is too large."
    )
    let c = model.configuration
    let rows = step.tokens.count
    for (row, token) in step.tokens.enumerated() {
      try unsafe model.embed(token, into: hidden.base + row * c.width)
    }
    prepare(step)
    for index in model.blocks.indices {
      if isAbandoned() { return false }
      let isLastBlock = index == model.blocks.count - 1
      try attend(step, block: index, rows: rows)
      // After the last block's keys and values only the rows whose logits are wanted go on.
      if isLastBlock { keep(step.logitRows) }
      let going = isLastBlock ? step.logitRows.count : rows
      guard going > 0 else { break }
      try feedForward(model.blocks[index], rows: going)
    }
    try project(step.logitRows.count)
    return true
  }

  // MARK: - Rows

  /// Calls `body` for each row with the number of its span, several rows a piece.
  func forRows(_ rows: Int, _ body: (Int, Int) -> Void) {
    guard rows > 0 else { return }
    let size = rows <= 4 ? rows : max(4, (rows + pool.threadCount * 4 - 1) / (pool.threadCount * 4))
    pool.run((rows + size - 1) / size) { piece in
      for row in piece * size..<min(rows, (piece + 1) * size) { body(row, rowSpans[row]) }
    }
  }

  func prepare(_ step: DecoderStep) {
    rowPositions.removeAll(keepingCapacity: true)
    rowSpans.removeAll(keepingCapacity: true)
    for (number, span) in step.spans.enumerated() {
      rotation.fill(span.firstPosition + span.rows.count)
      for row in span.rows {
        rowPositions.append(span.firstPosition + row - span.rows.lowerBound)
        rowSpans.append(number)
      }
    }
    prepareAttention(step)
  }

  /// Moves the rows that go on to the front.
  func keep(_ rows: [Int]) {
    let width = model.configuration.width
    for (index, row) in rows.enumerated() where index != row {
      // Rows ascend, so a row is never overwritten before it was moved.
      unsafe (hidden.base + index * width).update(from: hidden.base + row * width, count: width)
    }
  }
}
