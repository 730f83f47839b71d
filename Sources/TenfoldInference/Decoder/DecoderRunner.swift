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
  /// Rows and columns of attention that one thread takes at once.
  private struct AttentionUnit {
    var span: Int
    var head: Int
    var rows: Range<Int>
  }

  private struct Piece {
    var projection: Int
    var panels: Range<Int>
  }

  let model: DecoderModel
  let memory: KeyValueMemory
  /// The most rows of a step.
  let maximumRows: Int
  /// The most rows of a step whose logits are wanted.
  let maximumLogitRows: Int
  let elementwise: UnsafePointer<tenfold_elementwise_kernels>
  private let attention: UnsafePointer<tenfold_attention_kernels>
  private let pool: WorkerPool
  private let rotation: RotationTable
  private let positions: Int
  private let precision: DecoderPrecision

  // [rows × width], and likewise the others; the logits are [logit rows × vocabulary].
  private let hidden: AlignedBuffer<Float>
  private let normed: AlignedBuffer<Float>
  private let queries: AlignedBuffer<Float>
  private let keys: AlignedBuffer<Float>
  private let values: AlignedBuffer<Float>
  private let attended: AlignedBuffer<Float>
  private let gated: AlignedBuffer<Float>
  private let logits: AlignedBuffer<Float>
  private let gates: AlignedBuffer<Float>
  private let remainders: AlignedBuffer<Float>
  private let blockActivations: Activations
  /// What rounding to `blockActivations` left over, itself rounded to 8 bits per block.
  private let remainderActivations: Activations
  /// For a step of one row: the rounded row and what that left over, side by side, so that the weights are unpacked
  /// once for both; and their products.
  private let pairActivations: Activations
  private let pairSums: AlignedBuffer<Float>
  private let pairStride: Int
  private var isPaired = false
  private let floatActivations: Activations
  private var units: [AttentionUnit] = []
  private var rowPositions: [Int] = []

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
    precision: DecoderPrecision = .high,
    pool: WorkerPool
  ) throws(ModelError) {
    let c = model.configuration
    self.model = model
    self.memory = memory
    self.pool = pool
    self.positions = positions
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
    let stride = max(model.vocabularySize, widest, c.keyValueWidth)
    pairStride = stride
    (pairActivations, pairSums) = try ModelError.wrapping("Step buffers") { () throws(KernelError) in
      (
        try Activations(capacity: 2, width: widest, instructionSet: model.instructionSet),
        try AlignedBuffer(count: isHigh ? 2 * stride : 0)
      )
    }
    (gates, remainders) = try ModelError.wrapping("Step buffers") { () throws(KernelError) in
      (
        try AlignedBuffer(count: isHigh ? maximumRows * c.feedForwardWidth : 0),
        try AlignedBuffer(count: isHigh ? maximumRows * widest : 0)
      )
    }
    (blockActivations, remainderActivations, floatActivations) = try ModelError.wrapping("Step buffers") {
      () throws(KernelError) in
      (
        try Activations(capacity: maximumRows, width: widest, instructionSet: model.instructionSet),
        try Activations(capacity: maximumRows, width: widest, instructionSet: model.instructionSet),
        try Activations(capacity: maximumRows, width: widest, instructionSet: model.instructionSet)
      )
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

  // MARK: - Layers

  private func attend(_ step: DecoderStep, block index: Int, rows: Int) throws(ModelError) {
    let c = model.configuration
    let block = model.blocks[index]
    try unsafe normalise(
      hidden.base,
      block.attentionNorm,
      rows: rows,
      for: [
        block.query.layer.activationFormat, block.key.layer.activationFormat,
        block.value.layer.activationFormat,
      ]
    )
    unsafe multiply([
      Product(block.query, queries.base, c.queryWidth, precision: precision),
      Product(block.key, keys.base, c.keyValueWidth, precision: precision),
      Product(block.value, values.base, c.keyValueWidth, precision: precision),
    ])
    let rotate =
      unsafe c.rotationStyle == .pairs ? elementwise.pointee.rotate_pairs : elementwise.pointee.rotate_halves
    forRows(rows) { row, span in
      let position = rowPositions[row]
      let table = unsafe rotation.row(position)
      let (query, key, value) = unsafe (
        queries.base + row * c.queryWidth, keys.base + row * c.keyValueWidth,
        values.base + row * c.keyValueWidth
      )
      unsafe rotate(query, table, c.headCount, c.headLength, c.rotatedLength)
      unsafe rotate(key, table, c.keyValueHeadCount, c.headLength, c.rotatedLength)
      let page = Int(step.spans[span].pages[position / BlockAllocator.blockLength])
      let slot = position % BlockAllocator.blockLength
      let base = unsafe memory.base + page * memory.pageStride
      for head in 0..<c.keyValueHeadCount {
        unsafe attention.pointee.store_key(
          key + head * c.headLength,
          c.headLength,
          base + memory.keyOffset(block: index, head: head),
          slot
        )
        unsafe attention.pointee.store_value(
          value + head * c.headLength,
          c.headLength,
          base + memory.valueOffset(block: index, head: head),
          slot
        )
      }
    }
    let group = c.headCount / c.keyValueHeadCount
    pool.run(units.count) { number in
      let unit = units[number]
      let span = step.spans[unit.span]
      unsafe span.pages.withUnsafeBufferPointer { pages in
        guard let pages = pages.baseAddress else { return }
        let offset = unit.rows.lowerBound * c.queryWidth + unit.head * group * c.headLength
        // Every position up to the rows' own has its page, and its keys and values were stored above or earlier.
        var task = unsafe tenfold_attention_span(
          queries: queries.base + offset,
          query_stride: c.queryWidth,
          outputs: attended.base + offset,
          output_stride: c.queryWidth,
          rows: unit.rows.count,
          group: group,
          head_length: c.headLength,
          memory: memory.base,
          pages: pages,
          page_stride: memory.pageStride,
          key_offset: memory.keyOffset(block: index, head: unit.head),
          value_offset: memory.valueOffset(block: index, head: unit.head),
          first_position: span.firstPosition + unit.rows.lowerBound - span.rows.lowerBound,
          scale: 1 / Float(c.headLength).squareRoot()
        )
        unsafe attention.pointee.attend(&task)
      }
    }
    // Rounding here makes 3 % of the error that 8 bits everywhere would make, so 8 bits do.
    try unsafe quantise(
      attended.base,
      rows: rows,
      width: c.queryWidth,
      formats: [block.attentionOutput.layer.activationFormat],
      precision: .standard
    )
    unsafe multiply([
      Product(block.attentionOutput, hidden.base, c.width, residual: hidden.base, precision: .standard)
    ])
  }

  private func feedForward(_ block: DecoderBlock, rows: Int) throws(ModelError) {
    let c = model.configuration
    try unsafe normalise(
      hidden.base,
      block.feedForwardNorm,
      rows: rows,
      for: [block.gate.layer.activationFormat, block.up.layer.activationFormat]
    )
    let width = c.feedForwardWidth
    let isFused = precision == .standard || block.gate.layer.activationFormat == .float32
    let up = unsafe Product(block.up, gated.base, width, precision: precision)
    let gate = unsafe Product(block.gate, isFused ? gated.base : gates.base, width, precision: precision)
    // The columns of `up` are done by the same thread just before those of `gate`.
    forPanels(of: [block.up.layer]) { _, panels in
      unsafe apply(up, panels, Epilogue(bias: block.up.bias?.base))
      guard !isFused else {
        let epilogue = unsafe Epilogue(
          bias: block.gate.bias?.base,
          activation: .silu,
          multiplier: gated.base,
          multiplierStride: width
        )
        apply(gate, panels, epilogue)
        return
      }
      unsafe apply(gate, panels, Epilogue(bias: block.gate.bias?.base))
      let first = panels.lowerBound * block.up.layer.panelWidth
      let count = min(width, panels.upperBound * block.up.layer.panelWidth) - first
      for row in 0..<rows {
        let (x, y) = unsafe (gates.base + row * width + first, gated.base + row * width + first)
        unsafe elementwise.pointee.silu_multiply(x, y, y, count)
      }
    }
    try unsafe quantise(
      gated.base,
      rows: rows,
      width: c.feedForwardWidth,
      formats: [block.down.layer.activationFormat],
      precision: precision
    )
    unsafe multiply([Product(block.down, hidden.base, c.width, residual: hidden.base, precision: precision)])
  }

  private func project(_ rows: Int) throws(ModelError) {
    guard rows > 0 else { return }
    try unsafe normalise(hidden.base, model.outputNorm, rows: rows, for: [model.head.activationFormat])
    let head = DecoderProjection(layer: model.head)
    unsafe multiply([Product(head, logits.base, model.vocabularySize, precision: precision)])
  }

  // MARK: - Parts

  /// A product whose input was quantised last.
  @safe
  private struct Product {
    var projection: DecoderProjection
    var output: UnsafeMutablePointer<Float>
    var stride: Int
    var residual: UnsafeMutablePointer<Float>?
    var precision: DecoderPrecision

    init(
      _ projection: DecoderProjection,
      _ output: UnsafeMutablePointer<Float>,
      _ stride: Int,
      residual: UnsafeMutablePointer<Float>? = nil,
      precision: DecoderPrecision
    ) {
      self.projection = projection
      unsafe self.output = output
      self.stride = stride
      unsafe self.residual = residual
      self.precision = precision
    }
  }

  /// Computes several products of the same rows in one parallel region.
  private func multiply(_ products: [Product]) {
    forPanels(of: products.map { $0.projection.layer }) { number, panels in
      let product = products[number]
      let epilogue = unsafe Epilogue(
        bias: product.projection.bias?.base,
        residual: product.residual.map { unsafe UnsafePointer($0) },
        residualStride: product.stride
      )
      apply(product, panels, epilogue)
    }
  }

  /// Computes some columns of a product.
  ///
  /// The product of what rounding left over follows while the weights are still in the caches; so the epilogue must be a
  /// sum, unless the precision is standard.
  private func apply(_ product: Product, _ panels: Range<Int>, _ epilogue: Epilogue) {
    let layer = product.projection.layer
    let format = layer.activationFormat
    let hasRemainder = product.precision == .high && format == .int8PerBlock32
    if hasRemainder, isPaired {
      unsafe layer.multiply(
        pairActivations,
        panels: panels,
        into: pairSums.base,
        outputStride: pairStride,
        epilogue: .none
      )
      let first = panels.lowerBound * layer.panelWidth
      // The additions of the way for several rows, in the same order.
      unsafe elementwise.pointee.add_rows(
        pairSums.base + first,
        pairSums.base + pairStride + first,
        epilogue.bias.map { unsafe $0 + first },
        epilogue.residual.map { unsafe $0 + first },
        product.output + first,
        min(layer.outputWidth, panels.upperBound * layer.panelWidth) - first
      )
      return
    }
    unsafe layer.multiply(
      activations(format),
      panels: panels,
      into: product.output,
      outputStride: product.stride,
      epilogue: epilogue
    )
    guard hasRemainder else { return }
    unsafe layer.multiply(
      remainderActivations,
      panels: panels,
      into: product.output,
      outputStride: product.stride,
      epilogue: Epilogue(residual: product.output, residualStride: product.stride)
    )
  }

  /// Calls `body` with the number of a layer and some of its slices, few enough to stay in the second-level cache.
  private func forPanels(of layers: [any LinearLayer], _ body: (Int, Range<Int>) -> Void) {
    let splits = layers.map { PanelSplit(panelCount: $0.panelCount, threads: pool.threadCount) }
    pool.run(splits.reduce(0) { $0 + $1.count }) { piece in
      var (number, index) = (0, piece)
      while index >= splits[number].count {
        index -= splits[number].count
        number += 1
      }
      let all = splits[number][index]
      // A multiple of the slices that a tile takes on any instruction set.
      for start in stride(from: all.lowerBound, to: all.upperBound, by: 24) {
        body(number, start..<min(all.upperBound, start + 24))
      }
    }
  }

  private func normalise(
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

  private func quantise(
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

  private func prepareActivations(rows: Int, width: Int, formats: Set<ActivationFormat>) throws(ModelError) {
    isPaired = rows == 1
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
  private func round(
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

  private func activations(_ format: ActivationFormat) -> Activations {
    format == .float32 ? floatActivations : blockActivations
  }

  /// Calls `body` for each row with the number of its span, several rows a piece.
  private func forRows(_ rows: Int, _ body: (Int, Int) -> Void) {
    let size = rows <= 4 ? rows : max(4, (rows + pool.threadCount * 4 - 1) / (pool.threadCount * 4))
    pool.run((rows + size - 1) / size) { piece in
      for row in piece * size..<min(rows, (piece + 1) * size) { body(row, rowSpans[row]) }
    }
  }

  private var rowSpans: [Int] = []

  private func prepare(_ step: DecoderStep) {
    units.removeAll(keepingCapacity: true)
    rowPositions.removeAll(keepingCapacity: true)
    rowSpans.removeAll(keepingCapacity: true)
    for (number, span) in step.spans.enumerated() {
      precondition(span.firstPosition + span.rows.count <= positions, "A position lies beyond the context.")
      for row in span.rows {
        rowPositions.append(span.firstPosition + row - span.rows.lowerBound)
        rowSpans.append(number)
      }
      for head in 0..<model.configuration.keyValueHeadCount {
        for start in stride(from: span.rows.lowerBound, to: span.rows.upperBound, by: 32) {
          let rows = start..<min(start + 32, span.rows.upperBound)
          units.append(AttentionUnit(span: number, head: head, rows: rows))
        }
      }
    }
  }

  /// Moves the rows that go on to the front.
  private func keep(_ rows: [Int]) {
    let width = model.configuration.width
    for (index, row) in rows.enumerated() where index != row {
      // Rows ascend, so a row is never overwritten before it was moved.
      unsafe (hidden.base + index * width).update(from: hidden.base + row * width, count: width)
    }
  }
}
