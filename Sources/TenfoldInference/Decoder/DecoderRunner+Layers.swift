// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import CTenfoldKernels
import TenfoldKernels

extension DecoderRunner {
  func attend(_ step: DecoderStep, block index: Int, rows: Int) throws(ModelError) {
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
    storeKeysAndValues(step, block: index, rows: rows)
    attendSpans(step, block: index)
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

  /// Turns the rows' queries and keys by their positions and stores keys and values in their pages.
  private func storeKeysAndValues(_ step: DecoderStep, block index: Int, rows: Int) {
    let c = model.configuration
    let isInt8 = memory.precision == .int8
    let storeKey = unsafe isInt8 ? attention.pointee.store_key_int8 : attention.pointee.store_key
    let storeValue = unsafe isInt8 ? attention.pointee.store_value_int8 : attention.pointee.store_value
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
        unsafe storeKey(
          key + head * c.headLength,
          c.headLength,
          base + memory.keyOffset(block: index, head: head),
          slot
        )
        unsafe storeValue(
          value + head * c.headLength,
          c.headLength,
          base + memory.valueOffset(block: index, head: head),
          slot
        )
      }
    }
  }

  /// Weighs the values of each span's positions by its rows' queries.
  private func attendSpans(_ step: DecoderStep, block index: Int) {
    let c = model.configuration
    let attendSpan =
      unsafe memory.precision == .int8 ? attention.pointee.attend_int8 : attention.pointee.attend
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
        unsafe attendSpan(&task)
      }
    }
  }

  func feedForward(_ block: DecoderBlock, rows: Int) throws(ModelError) {
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

  func project(_ rows: Int) throws(ModelError) {
    guard rows > 0 else { return }
    try unsafe normalise(hidden.base, model.outputNorm, rows: rows, for: [model.head.activationFormat])
    let head = DecoderProjection(layer: model.head)
    unsafe multiply([Product(head, logits.base, model.vocabularySize, precision: precision)])
  }
}
