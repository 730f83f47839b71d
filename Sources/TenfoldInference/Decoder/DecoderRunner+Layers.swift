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
      for: block.attentionForms
    )
    unsafe multiply([
      Product(block.query, queries.base, c.queryWidth, precision: precision),
      Product(block.key, keys.base, c.keyValueWidth, precision: precision),
      Product(block.value, values.base, c.keyValueWidth, precision: precision),
    ])
    storeKeysAndValues(step, block, index, rows: rows)
    attendSpans(step, block: index)
    // Rounding here makes 3 % of the error that 8 bits everywhere would make, so 8 bits do.
    try unsafe quantise(
      attended.base,
      rows: rows,
      width: c.queryWidth,
      for: block.attentionOutput.forms,
      precision: .standard
    )
    unsafe multiply([
      Product(block.attentionOutput, hidden.base, c.width, residual: hidden.base, precision: .standard)
    ])
  }

  /// Normalises the rows' queries and keys where the model does, turns them by their positions and stores keys and values
  /// in their pages.
  private func storeKeysAndValues(_ step: DecoderStep, _ block: DecoderBlock, _ index: Int, rows: Int) {
    let c = model.configuration
    let (queryNorm, keyNorm) = (block.queryNorm, block.keyNorm)
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
      unsafe normaliseHeads(query, queryNorm, count: c.headCount)
      unsafe normaliseHeads(key, keyNorm, count: c.keyValueHeadCount)
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

  /// Normalises each of a row's heads in place, if there are weights for that.
  private func normaliseHeads(
    _ heads: UnsafeMutablePointer<Float>,
    _ weight: AlignedBuffer<Float>?,
    count: Int
  ) {
    guard let weight else { return }
    let length = model.configuration.headLength
    let epsilon = model.configuration.normEpsilon
    for index in 0..<count {
      let head = unsafe heads + index * length
      unsafe elementwise.pointee.rms_norm(head, weight.base, head, length, epsilon)
    }
  }

  func feedForward(_ block: DecoderBlock, rows: Int) throws(ModelError) {
    let c = model.configuration
    try unsafe normalise(
      hidden.base,
      block.feedForwardNorm,
      rows: rows,
      for: block.feedForwardForms
    )
    let width = c.feedForwardWidth
    let isFused = precision == .standard || block.gate.form == .float32
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
      for: block.down.forms,
      precision: precision
    )
    unsafe multiply([Product(block.down, hidden.base, c.width, residual: hidden.base, precision: precision)])
  }

  func project(_ rows: Int) throws(ModelError) {
    guard rows > 0 else { return }
    try unsafe normalise(hidden.base, model.outputNorm, rows: rows, for: model.head.forms)
    unsafe multiply([Product(model.head, logits.base, model.vocabularySize, precision: precision)])
  }
}
