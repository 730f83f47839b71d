// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

internal import CTenfoldKernels

/// Weights in a GGUF block format, activations int8 per 32 or 256 elements, as long as the format's blocks.
package final class BlockLinearLayer: LinearLayer {
  package let inputWidth: Int
  package let outputWidth: Int
  package let format: WeightFormat
  package let panelWidth = Int(TENFOLD_PANEL_WIDTH)
  private let packed: AlignedBuffer<UInt8>
  private let panelBytes: Int
  private let blockFormat: tenfold_block_format
  private let kernels: tenfold_block_kernels
  private let rowKernels: tenfold_row_kernels

  /// The most rows whose sums are kept while weights are unpacked for them once, and blocks of 32 that are unpacked at once:
  /// those of three panels take 30 KB, which stays in the first-level cache beside the rows at hand, and the sums take 72 KB;
  /// of one panel 10 and 12 KB.
  private var sumRows: Int { kernels.max_panels > 1 ? 384 : 192 }
  private static let blockChunk = 16

  /// Up to so many rows unpacking in registers beats unpacking to memory.
  private let fewRows: Int
  private let tileRows: Int
  private let instructionSet: InstructionSet

  /// The bytes of a packed matrix.
  static func packedByteCount(_ format: tenfold_block_format, outputWidth: Int, inputWidth: Int) -> Int {
    (outputWidth + Int(TENFOLD_PANEL_WIDTH) - 1) / Int(TENFOLD_PANEL_WIDTH)
      * tenfold_block_panel_bytes(format, inputWidth)
  }

  /// Takes memory for the packed weights, which are there already or come with ``pack(_:rowBytes:)``.
  init(
    format: WeightFormat,
    blockFormat: tenfold_block_format,
    packed: AlignedBuffer<UInt8>,
    outputWidth: Int,
    inputWidth: Int,
    instructionSet: InstructionSet
  ) {
    self.packed = packed
    self.format = format
    self.blockFormat = blockFormat
    self.inputWidth = inputWidth
    self.outputWidth = outputWidth
    self.instructionSet = instructionSet
    let backend = unsafe instructionSet.backend
    unsafe self.kernels = backend.blocks.pointee
    unsafe self.rowKernels = backend.rows.pointee
    let direct = kernels.direct_rows > 0 ? kernels.direct_rows : 3
    fewRows =
      blockFormat == TENFOLD_Q8_0 && kernels.direct_rows_of_bytes > 0 ? kernels.direct_rows_of_bytes : direct
    tileRows = kernels.tile_rows > 0 ? kernels.tile_rows : Int(TENFOLD_TILE_ROWS)
    panelBytes = tenfold_block_panel_bytes(blockFormat, inputWidth)
    precondition(packed.count == panelCount * panelBytes, "the memory does not fit the packed weights")
  }

  /// Packs rows as they stand in a file.
  func pack(_ bytes: UnsafePointer<UInt8>, rowBytes: Int) {
    for panel in 0..<panelCount {
      let first = panel * panelWidth
      unsafe tenfold_block_pack_panel(
        blockFormat,
        bytes + first * rowBytes,
        rowBytes,
        min(panelWidth, outputWidth - first),
        inputWidth,
        kernels.byte_bias,
        packed.base + panel * panelBytes
      )
    }
  }

  package var activationFormat: ActivationFormat { format.activationFormat }
  package var byteCount: Int { packed.byteCount }
  package var panelCount: Int { (outputWidth + panelWidth - 1) / panelWidth }
  package func panelGroup(rows: Int) -> Int {
    unsafe rows <= fewRows && kernels.finished_gemv != nil ? Int(TENFOLD_GEMV_PANELS) : kernels.max_panels
  }

  /// Rows whose sums are kept while a stretch of the weights is unpacked: even parts of all.
  private func rowBlock(_ rows: Int) -> Int {
    let parts = max(1, (rows + sumRows - 1) / sumRows)
    return ((rows + parts - 1) / parts + tileRows - 1) / tileRows * tileRows
  }

  package var explanation: String {
    "\(format), backend \(instructionSet), up to \(fewRows) rows straight from the packed blocks, more in tiles of "
      + "\(tileRows) rows x \(kernels.max_panels * panelWidth) columns, up to \(sumRows) rows a pass over "
      + "\(Self.blockChunk * 32) unpacked inputs, packed in \(panelCount) panels of \(panelWidth) columns (\(byteCount) bytes)"
  }

  package func multiply(
    _ activations: Activations,
    panels: Range<Int>,
    into output: UnsafeMutablePointer<Float>,
    outputStride: Int,
    epilogue: Epilogue
  ) {
    precondition(
      activations.format == activationFormat && activations.width == inputWidth,
      "the activations are not int8 blocks in rows of \(inputWidth)"
    )
    precondition(panels.lowerBound >= 0 && panels.upperBound <= panelCount, "panels outside the layer")
    guard activations.rows > 0 else { return }
    var finish = unsafe epilogue.c(output: output, stride: outputStride)
    if activations.rows <= fewRows {
      unsafe multiplyFewRows(activations, panels: panels, &finish)
    } else {
      unsafe multiplyRows(activations, panels: panels, &finish)
    }
  }

  /// A few rows: straight from the packed bytes, one linear stream.
  private func multiplyFewRows(
    _ activations: Activations,
    panels: Range<Int>,
    _ finish: inout tenfold_epilogue
  ) {
    let rows = activations.rows
    let blocks = activations.blocks
    var view = unsafe activations.blockView(row: 0, block: 0)
    if let finishedGEMV = unsafe kernels.finished_gemv {
      let column = panels.lowerBound * panelWidth
      unsafe finishedGEMV(
        blockFormat,
        packed.base + panels.lowerBound * panelBytes,
        panelBytes,
        panels.count,
        blocks,
        &view,
        rows,
        min(outputWidth, panels.upperBound * panelWidth) - column,
        column,
        &finish
      )
      return
    }
    // 256 sums take 1 KB, which Swift keeps on the stack.
    let group = max(1, 16 / rows)
    let width = group * panelWidth
    unsafe withUnsafeTemporaryAllocation(byteCount: max(1_024, rows * width * 4), alignment: 64) { scratch in
      guard let base = scratch.baseAddress else { return }
      let sums = unsafe base.assumingMemoryBound(to: Float.self)
      for start in stride(from: panels.lowerBound, to: panels.upperBound, by: group) {
        let end = min(panels.upperBound, start + group)
        for panel in start..<end {
          unsafe kernels.gemv(
            blockFormat,
            packed.base + panel * panelBytes,
            blocks,
            &view,
            rows,
            sums + (panel - start) * panelWidth,
            width
          )
        }
        let column = start * panelWidth
        unsafe rowKernels.finish_float(
          sums,
          width,
          rows,
          min(outputWidth, end * panelWidth) - column,
          0,
          column,
          &finish
        )
      }
    }
  }

  /// A stretch of unpacked weights, and the sums of the rows that meet it.
  @safe
  private struct Stretch {
    let codes: UnsafeMutablePointer<UInt8>
    let scales: UnsafeMutablePointer<Float>
    let sums: UnsafeMutablePointer<Float>
    /// The most blocks of 32 of each panel.
    let capacity: Int
    /// Floats of their scales.
    let scaleFloats: Int
    var panels = 0..<0
    var blocks = 0..<0
    var rows = 0..<0

    /// The bytes of `capacity` unpacked blocks of `group` panels, and of the sums.
    static func byteCount(group: Int, capacity: Int, scaleFloats: Int, sums: Int) -> Int {
      sums * 4 + group * (capacity * 512 + 4 * scaleFloats)
    }

    init(_ base: UnsafeMutableRawPointer, group: Int, capacity: Int, scaleFloats: Int) {
      self.capacity = capacity
      self.scaleFloats = scaleFloats
      let codeBytes = group * capacity * 512
      unsafe codes = base.assumingMemoryBound(to: UInt8.self)
      unsafe scales = (base + codeBytes).assumingMemoryBound(to: Float.self)
      unsafe sums = (base + codeBytes + group * 4 * scaleFloats).assumingMemoryBound(to: Float.self)
    }
  }

  /// Several rows: a stretch of the weights is unpacked once and used by many rows.
  private func multiplyRows(_ activations: Activations, panels: Range<Int>, _ finish: inout tenfold_epilogue)
  {
    let rows = activations.rows
    let blocks = activations.blocks
    let group = kernels.max_panels
    let width = group * panelWidth
    let chunk = max(1, min(Self.blockChunk, blocks))
    let scaleFloats = tenfold_block_scale_floats(blockFormat, chunk)
    let rowBlock = rowBlock(rows)
    let bytes = Stretch.byteCount(
      group: group,
      capacity: chunk,
      scaleFloats: scaleFloats,
      sums: min(rows, rowBlock) * width
    )
    unsafe withUnsafeTemporaryAllocation(byteCount: bytes, alignment: 64) { scratch in
      guard let base = scratch.baseAddress else { return }
      var stretch = unsafe Stretch(base, group: group, capacity: chunk, scaleFloats: scaleFloats)
      for start in stride(from: panels.lowerBound, to: panels.upperBound, by: group) {
        stretch.panels = start..<min(panels.upperBound, start + group)
        let column = start * panelWidth
        let columns = min(outputWidth, stretch.panels.upperBound * panelWidth) - column
        for row in stride(from: 0, to: rows, by: rowBlock) {
          stretch.rows = row..<min(rows, row + rowBlock)
          unsafe stretch.sums.update(repeating: 0, count: stretch.rows.count * width)
          // Without inputs there is one empty stretch, whose sums of zero are finished all the same.
          for block in stride(from: 0, to: max(1, blocks), by: chunk) {
            stretch.blocks = block..<min(blocks, block + chunk)
            expand(stretch)
            for tile in stride(from: row, to: stretch.rows.upperBound, by: tileRows) {
              let tile = tile..<min(stretch.rows.upperBound, tile + tileRows)
              if stretch.blocks.upperBound == blocks {
                unsafe multiplyAndFinish(
                  activations,
                  tile,
                  stretch,
                  columns: column..<column + columns,
                  &finish
                )
              } else {
                multiply(activations, tile, stretch)
              }
            }
          }
        }
      }
    }
  }

  /// Unpacks a stretch of the weights.
  private func expand(_ stretch: Stretch) {
    for (number, panel) in stretch.panels.enumerated() {
      unsafe kernels.expand(
        blockFormat,
        packed.base + panel * panelBytes,
        inputWidth / 32,
        stretch.blocks.lowerBound,
        stretch.blocks.count,
        stretch.codes + number * stretch.capacity * 512,
        stretch.scales + number * stretch.scaleFloats
      )
    }
  }

  /// Adds the products of a tile of rows and a stretch of the weights to the sums.
  private func multiply(_ activations: Activations, _ tile: Range<Int>, _ stretch: Stretch) {
    let width = kernels.max_panels * panelWidth
    var view = unsafe activations.blockView(row: tile.lowerBound, block: stretch.blocks.lowerBound)
    unsafe kernels.tile(
      blockFormat,
      stretch.codes,
      stretch.capacity * 512,
      stretch.scales,
      stretch.scaleFloats,
      stretch.panels.count,
      stretch.blocks.count,
      &view,
      tile.count,
      stretch.sums + (tile.lowerBound - stretch.rows.lowerBound) * width,
      width
    )
  }

  /// Adds the last products of a tile of rows to the sums and stores what becomes of them.
  private func multiplyAndFinish(
    _ activations: Activations,
    _ tile: Range<Int>,
    _ stretch: Stretch,
    columns: Range<Int>,
    _ finish: inout tenfold_epilogue
  ) {
    let width = kernels.max_panels * panelWidth
    let sums = unsafe stretch.sums + (tile.lowerBound - stretch.rows.lowerBound) * width
    guard let finishedTile = unsafe kernels.finished_tile else {
      // The output comes while the products are computed.
      unsafe tenfold_prefetch_output(&finish, tile.lowerBound, tile.count, columns.lowerBound, columns.count)
      multiply(activations, tile, stretch)
      unsafe rowKernels.finish_float(
        sums,
        width,
        tile.count,
        columns.count,
        tile.lowerBound,
        columns.lowerBound,
        &finish
      )
      return
    }
    var view = unsafe activations.blockView(row: tile.lowerBound, block: stretch.blocks.lowerBound)
    unsafe finishedTile(
      blockFormat,
      stretch.codes,
      stretch.capacity * 512,
      stretch.scales,
      stretch.scaleFloats,
      stretch.panels.count,
      stretch.blocks.count,
      &view,
      tile.count,
      sums,
      width,
      columns.count,
      tile.lowerBound,
      columns.lowerBound,
      &finish
    )
  }
}
