// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import CTenfoldKernels
import TenfoldKernels

extension DecoderRunner {
  /// Rows of a span and one key-value head, which one thread takes at once.
  struct AttentionUnit {
    var span: Int
    var head: Int
    var rows: Range<Int>
    /// Stretches of positions that its rows see.
    var stretches: Int
  }

  /// A stretch of a unit, for one thread.
  struct AttentionPiece {
    var unit: Int
    var stretch: Int
    /// Where the unit's partial results begin.
    var partials: Int
  }

  /// The most floats that units spread over threads may leave: with more, the units alone have enough to do.
  private static let largestPartials = 1 << 23

  /// Cuts spans into units, and those into stretches where there are fewer than would keep all threads busy.
  ///
  /// What the stretches leave is bounded, and where there is no memory for it they do without: that changes no bit.
  func prepareAttention(_ step: DecoderStep) {
    units.removeAll(keepingCapacity: true)
    pieces.removeAll(keepingCapacity: true)
    let length = Int(TENFOLD_STRETCH_LENGTH)
    for (number, span) in step.spans.enumerated() {
      for head in 0..<model.configuration.keyValueHeadCount {
        for start in stride(from: span.rows.lowerBound, to: span.rows.upperBound, by: 32) {
          let rows = start..<min(start + 32, span.rows.upperBound)
          let visible = span.firstPosition + rows.upperBound - span.rows.lowerBound
          units.append(
            AttentionUnit(span: number, head: head, rows: rows, stretches: (visible + length - 1) / length)
          )
        }
      }
    }
    guard pool.threadCount > 1, units.count < 4 * pool.threadCount,
      units.contains(where: { $0.stretches > 1 })
    else { return }
    let c = model.configuration
    let partialLength = c.headCount / c.keyValueHeadCount * tenfold_partial_length(c.headLength)
    var size = 0
    for (number, unit) in units.enumerated() {
      for stretch in 0..<unit.stretches {
        pieces.append(AttentionPiece(unit: number, stretch: stretch, partials: size))
      }
      size += unit.stretches * unit.rows.count * partialLength
    }
    guard partials.count < size else { return }
    guard size <= Self.largestPartials,
      let buffer = try? AlignedBuffer<Float>(count: min(size + size / 2, Self.largestPartials))
    else {
      pieces.removeAll(keepingCapacity: true)
      return
    }
    partials = buffer
  }

  /// Weighs the values of each span's positions by its rows' queries, unit by unit or, where there are pieces, by those;
  /// that makes no difference to any bit.
  func attendSpans(_ step: DecoderStep, block index: Int) {
    let isInt8 = memory.precision == .int8
    let attendAll = unsafe isInt8 ? attention.pointee.attend_int8 : attention.pointee.attend
    let attendStretch =
      unsafe isInt8 ? attention.pointee.attend_stretch_int8 : attention.pointee.attend_stretch
    guard !pieces.isEmpty else {
      pool.run(units.count) { number in
        unsafe withTask(units[number], step, block: index) { unsafe attendAll($0) }
      }
      return
    }
    pool.run(pieces.count) { number in
      let piece = pieces[number]
      unsafe withTask(units[piece.unit], step, block: index) { task in
        unsafe attendStretch(task, piece.stretch, partials.base + piece.partials)
      }
    }
    pool.run(pieces.count) { number in
      let piece = pieces[number]
      guard piece.stretch == 0 else { return }
      unsafe withTask(units[piece.unit], step, block: index) { task in
        unsafe attention.pointee.merge_stretches(task, partials.base + piece.partials)
      }
    }
  }

  /// Calls `body` with a unit as the kernels take it.
  private func withTask(
    _ unit: AttentionUnit,
    _ step: DecoderStep,
    block index: Int,
    _ body: (UnsafePointer<tenfold_attention_span>) -> Void
  ) {
    let c = model.configuration
    let group = c.headCount / c.keyValueHeadCount
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
      unsafe body(&task)
    }
  }
}
