// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

internal import CTenfoldKernels

/// Int8 weights with one scale per output column, activations int8 with one scale per row.
package final class Int8LinearLayer: LinearLayer {
  package let inputWidth: Int
  package let outputWidth: Int
  package let panelWidth = Int(TENFOLD_PANEL_WIDTH)
  private let packed: AlignedBuffer<UInt8>
  private let panelBytes: Int
  private let kernels: tenfold_i8_kernels
  /// Whether all codes lie in -64...64 and the instruction set makes use of that.
  package let isNarrow: Bool
  private let rowKernels: tenfold_row_kernels
  private let instructionSet: InstructionSet

  /// Packs quantised rows.
  init(
    codes: UnsafePointer<Int8>,
    scales: [Float],
    inputWidth: Int,
    instructionSet: InstructionSet
  ) throws(KernelError) {
    self.inputWidth = inputWidth
    self.outputWidth = scales.count
    self.instructionSet = instructionSet
    let backend = unsafe instructionSet.backend
    if let narrow = unsafe backend.narrow_i8, unsafe Self.areNarrow(codes, count: scales.count * inputWidth) {
      unsafe self.kernels = narrow.pointee
      isNarrow = true
    } else {
      unsafe self.kernels = backend.i8.pointee
      isNarrow = false
    }
    unsafe self.rowKernels = backend.rows.pointee
    let panels = (scales.count + panelWidth - 1) / panelWidth
    panelBytes = 64 + (inputWidth + 3) / 4 * 64
    packed = try AlignedBuffer(count: panels * panelBytes)
    for panel in 0..<panels {
      let first = panel * panelWidth
      unsafe scales.withUnsafeBufferPointer { buffer in
        guard let base = buffer.baseAddress else { return }
        unsafe tenfold_i8_pack_panel(
          codes + first * inputWidth,
          inputWidth,
          base + first,
          min(panelWidth, outputWidth - first),
          inputWidth,
          kernels.byte_bias,
          packed.base + panel * panelBytes
        )
      }
    }
  }

  package var format: WeightFormat { .int8 }
  package var activationFormat: ActivationFormat { .int8PerRow }
  package var byteCount: Int { packed.byteCount }
  package var panelCount: Int { (outputWidth + panelWidth - 1) / panelWidth }

  private var tileRows: Int { kernels.tile_rows > 0 ? kernels.tile_rows : Int(TENFOLD_TILE_ROWS) }

  /// Whether the weights are too many to wait in the second-level cache, so that they are better fetched ahead.
  private var isFar: Bool { packed.byteCount > CacheSizes.current.level2 }

  private static func areNarrow(_ codes: UnsafePointer<Int8>, count: Int) -> Bool {
    unsafe UnsafeBufferPointer(start: codes, count: count).allSatisfy { -64...64 ~= $0 }
  }

  /// Rows whose codes stay in half of a second-level cache.
  private func rowBlock(_ stride: Int) -> Int {
    max(tileRows, CacheSizes.current.level2 / 2 / stride / tileRows * tileRows)
  }

  package var explanation: String {
    // As rows of activations are laid out.
    let stride = ((inputWidth + 63) & ~63) + 64
    return
      "int8 with a scale a column\(isNarrow ? ", codes of 7 bits" : ""), backend \(instructionSet), tile \(tileRows) rows x "
      + "\(kernels.max_panels * panelWidth) columns x all \(inputWidth), \(rowBlock(stride)) rows a pass over the weights, "
      + "packed in \(panelCount) panels of \(panelWidth) columns (\(byteCount) bytes)"
  }

  /// Integer sums that are wanted as they are: row 0, column 0 of the result, and the sums from one row to the next.
  @safe
  private struct IntegerOutput {
    let sums: UnsafeMutablePointer<Int32>
    let stride: Int
  }

  /// Calls `body` with the sums of one tile after the other; rows are blocked so that theirs stay in half of the L2 cache.
  ///
  /// Where it is known where the sums will go, rows of `output` are fetched ahead. Whole panels of `integers` are written in
  /// place, and `body` isn't called for them.
  private func forEachTile(
    _ activations: Activations,
    panels: Range<Int>,
    output: UnsafePointer<tenfold_epilogue>? = nil,
    integers: IntegerOutput? = nil,
    _ body: (_ sums: UnsafePointer<Int32>, _ stride: Int, _ rows: Range<Int>, _ panels: Range<Int>) -> Void
  ) {
    precondition(
      activations.format == .int8PerRow && activations.width == inputWidth,
      "the activations are not int8 rows of \(inputWidth)"
    )
    precondition(panels.lowerBound >= 0 && panels.upperBound <= panelCount, "panels outside the layer")
    let tileRows = tileRows
    let rows = activations.rows
    let tilePanels = rows == 1 ? 16 : kernels.max_panels
    let stride = tilePanels * panelWidth
    let rowBlock = rowBlock(activations.valueStride)
    let isFar = isFar
    unsafe withUnsafeTemporaryAllocation(
      byteCount: min(rows, tileRows) * stride * 4,
      alignment: 64
    ) { scratch in
      guard let base = scratch.baseAddress else { return }
      let sums = unsafe base.assumingMemoryBound(to: Int32.self)
      for blockStart in Swift.stride(from: 0, to: rows, by: rowBlock) {
        let blockEnd = min(rows, blockStart + rowBlock)
        for panel in Swift.stride(from: panels.lowerBound, to: panels.upperBound, by: tilePanels) {
          let panelEnd = min(panels.upperBound, panel + tilePanels)
          for row in Swift.stride(from: blockStart, to: blockEnd, by: tileRows) {
            let rowEnd = min(blockEnd, row + tileRows)
            let columns = columns(of: panel..<panelEnd)
            if let output = unsafe output, rows > 1 {
              unsafe tenfold_prefetch_output(output, row, rowEnd - row, columns.lowerBound, columns.count)
            }
            let whole = integers != nil && columns.count == (panelEnd - panel) * panelWidth
            let target = unsafe integers.map { unsafe $0.sums + row * $0.stride + columns.lowerBound }
            unsafe kernels.tile(
              packed.base + panel * panelBytes,
              panelBytes,
              panelEnd - panel,
              inputWidth,
              activations.values + row * activations.valueStride,
              activations.valueStride,
              activations.negatedSums + row,
              rowEnd - row,
              whole ? target ?? sums : sums,
              whole ? integers?.stride ?? stride : stride,
              row == blockStart && isFar && panelEnd < panels.upperBound
                ? packed.base + panelEnd * panelBytes : nil
            )
            if !whole { unsafe body(sums, stride, row..<rowEnd, panel..<panelEnd) }
          }
        }
      }
    }
  }

  package func multiply(
    _ activations: Activations,
    panels: Range<Int>,
    into output: UnsafeMutablePointer<Float>,
    outputStride: Int,
    epilogue: Epilogue
  ) {
    unsafe withUnsafePointer(to: epilogue.c(output: output, stride: outputStride)) { finish in
      unsafe forEachTile(activations, panels: panels, output: finish) { sums, stride, rows, tilePanels in
        let columns = columns(of: tilePanels)
        unsafe rowKernels.finish_i8(
          sums,
          stride,
          rows.count,
          columns.count,
          rows.lowerBound,
          columns.lowerBound,
          activations.scales,
          packed.base + tilePanels.lowerBound * panelBytes,
          panelBytes,
          finish
        )
      }
    }
  }

  /// The output columns of panels; the last panel may have fewer than it has room for.
  private func columns(of panels: Range<Int>) -> Range<Int> {
    panels.lowerBound * panelWidth..<min(outputWidth, panels.upperBound * panelWidth)
  }

  /// The scale of an output column.
  package func columnScale(_ column: Int) -> Float {
    let scales = unsafe UnsafeRawPointer(packed.base + column / panelWidth * panelBytes)
    return unsafe scales.load(fromByteOffset: column % panelWidth * 4, as: Float.self)
  }

  /// Stores the exact sums before scaling: whole panels straight from the tile's registers.
  ///
  /// `output` is row 0, column 0 of `[rows × outputStride]`, whatever the panels are.
  package func multiply(
    _ activations: Activations,
    panels: Range<Int>,
    integerSumsInto output: UnsafeMutablePointer<Int32>,
    outputStride: Int
  ) {
    let integers = unsafe IntegerOutput(sums: output, stride: outputStride)
    unsafe forEachTile(activations, panels: panels, integers: integers) { sums, stride, rows, tilePanels in
      let columns = columns(of: tilePanels)
      for row in rows {
        unsafe (output + row * outputStride + columns.lowerBound)
          .update(from: sums + (row - rows.lowerBound) * stride, count: columns.count)
      }
    }
  }
}
