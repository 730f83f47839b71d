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
  package func panelGroup(rows: Int) -> Int {
    rows <= max(1, kernels.few_rows) ? Int(TENFOLD_GEMV_PANELS) : kernels.max_panels
  }

  private var tileRows: Int { kernels.tile_rows > 0 ? kernels.tile_rows : Int(TENFOLD_TILE_ROWS) }

  /// Whether the panels that follow are better fetched ahead: where that is done for the second-level cache, as a model's other
  /// layers may have driven them out, or where the weights are too many to wait there.
  private var fetchesAhead: Bool {
    unsafe kernels.finished_tile != nil || packed.byteCount > CacheSizes.current.level2
  }

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

  /// One call of a kernel: some rows and some panels.
  private struct Tile {
    let rows: Range<Int>
    let panels: Range<Int>
    /// The panel that follows, if it is better fetched meanwhile.
    let next: Int?
  }

  /// Panels of one tile.
  private func tilePanels(rows: Int) -> Int { rows <= max(1, kernels.few_rows) ? 16 : kernels.max_panels }

  /// Calls `body` with one tile after the other; rows are blocked so that theirs stay in half of the L2 cache.
  private func forEachTile(_ activations: Activations, panels: Range<Int>, _ body: (Tile) -> Void) {
    precondition(
      activations.format == .int8PerRow && activations.width == inputWidth,
      "the activations are not int8 rows of \(inputWidth)"
    )
    precondition(panels.lowerBound >= 0 && panels.upperBound <= panelCount, "panels outside the layer")
    let tileRows = tileRows
    let rows = activations.rows
    let tilePanels = tilePanels(rows: rows)
    let rowBlock = rowBlock(activations.valueStride)
    let fetchesAhead = fetchesAhead
    for blockStart in stride(from: 0, to: rows, by: rowBlock) {
      let blockEnd = min(rows, blockStart + rowBlock)
      for panel in stride(from: panels.lowerBound, to: panels.upperBound, by: tilePanels) {
        let panelEnd = min(panels.upperBound, panel + tilePanels)
        for row in stride(from: blockStart, to: blockEnd, by: tileRows) {
          body(
            Tile(
              rows: row..<min(blockEnd, row + tileRows),
              panels: panel..<panelEnd,
              next: row == blockStart && fetchesAhead && panelEnd < panels.upperBound ? panelEnd : nil
            )
          )
        }
      }
    }
  }

  /// Computes the exact sums of a tile.
  private func sum(
    _ tile: Tile,
    _ activations: Activations,
    into sums: UnsafeMutablePointer<Int32>,
    stride: Int
  ) {
    unsafe kernels.tile(
      packed.base + tile.panels.lowerBound * panelBytes,
      panelBytes,
      tile.panels.count,
      inputWidth,
      activations.values + tile.rows.lowerBound * activations.valueStride,
      activations.valueStride,
      activations.negatedSums + tile.rows.lowerBound,
      tile.rows.count,
      sums,
      stride,
      next(tile)
    )
  }

  /// The panel to fetch during a tile.
  private func next(_ tile: Tile) -> UnsafePointer<UInt8>? {
    unsafe tile.next.map { unsafe UnsafePointer(packed.base + $0 * panelBytes) }
  }

  /// Room for the sums of any tile.
  private func withSums(
    rows: Int,
    _ body: (_ sums: UnsafeMutablePointer<Int32>, _ stride: Int) -> Void
  ) {
    let stride = tilePanels(rows: rows) * panelWidth
    unsafe withUnsafeTemporaryAllocation(byteCount: min(rows, tileRows) * stride * 4, alignment: 64) {
      scratch in
      guard let base = scratch.baseAddress else { return }
      unsafe body(base.assumingMemoryBound(to: Int32.self), stride)
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
      if let finishedTile = unsafe kernels.finished_tile {
        forEachTile(activations, panels: panels) { tile in
          let columns = columns(of: tile.panels)
          unsafe finishedTile(
            packed.base + tile.panels.lowerBound * panelBytes,
            panelBytes,
            tile.panels.count,
            inputWidth,
            activations.values + tile.rows.lowerBound * activations.valueStride,
            activations.valueStride,
            activations.negatedSums + tile.rows.lowerBound,
            activations.scales,
            tile.rows.count,
            columns.count,
            tile.rows.lowerBound,
            columns.lowerBound,
            finish,
            next(tile)
          )
        }
        return
      }
      unsafe withSums(rows: activations.rows) { sums, stride in
        forEachTile(activations, panels: panels) { tile in
          let columns = columns(of: tile.panels)
          if activations.rows > 1 {
            unsafe tenfold_prefetch_output(
              finish,
              tile.rows.lowerBound,
              tile.rows.count,
              columns.lowerBound,
              columns.count
            )
          }
          unsafe sum(tile, activations, into: sums, stride: stride)
          unsafe rowKernels.finish_i8(
            sums,
            stride,
            tile.rows.count,
            columns.count,
            tile.rows.lowerBound,
            columns.lowerBound,
            activations.scales,
            packed.base + tile.panels.lowerBound * panelBytes,
            panelBytes,
            finish
          )
        }
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
    unsafe withSums(rows: activations.rows) { sums, stride in
      forEachTile(activations, panels: panels) { tile in
        let columns = columns(of: tile.panels)
        let target = unsafe output + tile.rows.lowerBound * outputStride + columns.lowerBound
        guard columns.count < tile.panels.count * panelWidth else {
          unsafe sum(tile, activations, into: target, stride: outputStride)
          return
        }
        unsafe sum(tile, activations, into: sums, stride: stride)
        for row in 0..<tile.rows.count {
          unsafe (target + row * outputStride).update(from: sums + row * stride, count: columns.count)
        }
      }
    }
  }
}
