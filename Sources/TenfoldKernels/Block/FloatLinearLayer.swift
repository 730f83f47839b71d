// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

internal import CTenfoldKernels

/// Float weights of 32 or 16 bits, float activations.
package final class FloatLinearLayer: LinearLayer {
  package let inputWidth: Int
  package let outputWidth: Int
  package let format: WeightFormat
  package let panelWidth = Int(TENFOLD_PANEL_WIDTH)
  private let packed: AlignedBuffer<UInt8>
  private let panelBytes: Int
  private let floatFormat: tenfold_float_format
  private let kernels: tenfold_float_kernels
  private let rowKernels: tenfold_row_kernels
  private let instructionSet: InstructionSet

  /// The bytes of a packed matrix.
  static func packedByteCount(_ format: WeightFormat, outputWidth: Int, inputWidth: Int) -> Int {
    (outputWidth + Int(TENFOLD_PANEL_WIDTH) - 1) / Int(TENFOLD_PANEL_WIDTH)
      * (inputWidth * format.bytesPerBlock * Int(TENFOLD_PANEL_WIDTH))
  }

  /// Takes memory for the packed weights, which are there already or come with ``pack(_:rowBytes:)``.
  init(
    format: WeightFormat,
    floatFormat: tenfold_float_format,
    packed: AlignedBuffer<UInt8>,
    outputWidth: Int,
    inputWidth: Int,
    instructionSet: InstructionSet
  ) {
    self.packed = packed
    self.format = format
    self.floatFormat = floatFormat
    self.inputWidth = inputWidth
    self.outputWidth = outputWidth
    self.instructionSet = instructionSet
    let backend = unsafe instructionSet.backend
    unsafe self.kernels = backend.floats.pointee
    unsafe self.rowKernels = backend.rows.pointee
    panelBytes = inputWidth * format.bytesPerBlock * panelWidth
    precondition(packed.count == panelCount * panelBytes, "the memory does not fit the packed weights")
  }

  /// Packs rows as they stand in a file.
  func pack(_ bytes: UnsafePointer<UInt8>, rowBytes: Int) {
    for panel in 0..<panelCount {
      let first = panel * panelWidth
      unsafe tenfold_float_pack_panel(
        floatFormat,
        bytes + first * rowBytes,
        rowBytes,
        min(panelWidth, outputWidth - first),
        inputWidth,
        packed.base + panel * panelBytes
      )
    }
  }

  package var activationFormat: ActivationFormat { .float32 }
  package var byteCount: Int { packed.byteCount }
  package var panelCount: Int { (outputWidth + panelWidth - 1) / panelWidth }
  package func panelGroup(rows: Int) -> Int { kernels.max_panels }

  private var tileRows: Int { kernels.tile_rows > 0 ? kernels.tile_rows : Int(TENFOLD_TILE_ROWS) }

  package var explanation: String {
    "\(format), backend \(instructionSet), tile \(tileRows) rows x \(kernels.max_panels * panelWidth) columns x all "
      + "\(inputWidth), packed in \(panelCount) panels of \(panelWidth) columns (\(byteCount) bytes)"
  }

  package func multiply(
    _ activations: Activations,
    panels: Range<Int>,
    into output: UnsafeMutablePointer<Float>,
    outputStride: Int,
    epilogue: Epilogue
  ) {
    precondition(
      activations.format == .float32 && activations.width == inputWidth,
      "the activations are not float rows of \(inputWidth)"
    )
    precondition(panels.lowerBound >= 0 && panels.upperBound <= panelCount, "panels outside the layer")
    let rows = activations.rows
    guard rows > 0 else { return }
    let tileRows = tileRows
    let group = kernels.max_panels
    let width = group * panelWidth
    var finish = unsafe epilogue.c(output: output, stride: outputStride)
    // A kernel that finishes its tiles needs no room for their sums.
    let sumRows = unsafe kernels.finished_tile == nil ? min(rows, tileRows) : 0
    unsafe withUnsafeTemporaryAllocation(byteCount: max(64, sumRows * width * 4), alignment: 64) {
      scratch in
      guard let base = scratch.baseAddress else { return }
      let sums = unsafe base.assumingMemoryBound(to: Float.self)
      for start in stride(from: panels.lowerBound, to: panels.upperBound, by: group) {
        let end = min(panels.upperBound, start + group)
        let column = start * panelWidth
        for row in stride(from: 0, to: rows, by: tileRows) {
          let count = min(tileRows, rows - row)
          let columns = min(outputWidth, end * panelWidth) - column
          if let finishedTile = unsafe kernels.finished_tile {
            unsafe finishedTile(
              floatFormat,
              packed.base + start * panelBytes,
              panelBytes,
              end - start,
              inputWidth,
              activations.floats + row * activations.valueStride,
              activations.valueStride,
              count,
              columns,
              row,
              column,
              &finish
            )
            continue
          }
          unsafe tenfold_prefetch_output(&finish, row, count, column, columns)
          unsafe kernels.tile(
            floatFormat,
            packed.base + start * panelBytes,
            panelBytes,
            end - start,
            inputWidth,
            activations.floats + row * activations.valueStride,
            activations.valueStride,
            count,
            sums,
            width
          )
          unsafe rowKernels.finish_float(
            sums,
            width,
            count,
            columns,
            row,
            column,
            &finish
          )
        }
      }
    }
  }
}
