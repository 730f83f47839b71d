// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

package import CTenfoldKernels

/// The left side of a product: rows of activations, quantised once and used by several layers.
///
/// A value owns its memory and is reused from step to step. Rows may be quantised by several threads at once, each its
/// own range; nothing may read them until that is done. A row (or block) with a NaN or an infinity gets the scale NaN, so all
/// outputs of that row are NaN.
///
/// ```swift
/// let activations = try Activations(capacity: 8, width: 576)
/// try activations.quantize(values.span, rows: 1, width: 576, as: .int8PerBlock32)
/// ```
@safe
public final class Activations: @unchecked Sendable {
  // Sendable: no lock. `prepare` runs on one thread; then threads write disjoint rows; the end of the parallel region
  // orders those writes before the reads.

  /// The number of rows there is room for.
  public let capacity: Int
  /// The longest row there is room for.
  public let maximumWidth: Int
  /// The kernels that quantise.
  public let instructionSet: InstructionSet
  /// The rows in use.
  public private(set) var rows = 0
  /// The length of the rows in use.
  public private(set) var width = 0
  /// The form of the rows in use.
  public private(set) var format = ActivationFormat.float32

  /// Elements from one row to the next, in `values` or `floats`.
  package private(set) var valueStride = 0
  private let kernels: tenfold_row_kernels
  private var valueStorage: AlignedBuffer<Int8>?
  private var floatStorage: AlignedBuffer<Float>?
  private var scaleStorage: AlignedBuffer<Float>?
  private var scaledSumStorage: AlignedBuffer<Float>?
  private var sumStorage: AlignedBuffer<Int32>?
  private var halfSumStorage: AlignedBuffer<Int16>?
  private var blockSumStorage: AlignedBuffer<Int16>?

  /// Makes room for rows; memory for a format is taken when it is first used.
  ///
  /// - Parameters:
  ///   - capacity: The most rows.
  ///   - width: The longest row.
  ///   - instructionSet: The kernels; `nil` for those of this process.
  /// - Throws: ``KernelError`` with code ``KernelError/Code/invalidShape`` or
  ///   ``KernelError/Code/unsupportedInstructionSet``.
  public init(capacity: Int, width: Int, instructionSet: InstructionSet? = nil) throws(KernelError) {
    guard capacity >= 0, width >= 0, width <= 1 << 24, capacity <= 1 << 24 else {
      throw KernelError(
        .invalidShape,
        "activations of \(capacity) rows of \(width) are not possible (limit 16,777,216)"
      )
    }
    self.capacity = capacity
    self.maximumWidth = width
    self.instructionSet = try InstructionSet.resolve(instructionSet)
    unsafe self.kernels = self.instructionSet.backend.rows.pointee
  }

  /// Sets the shape and the form of the rows that ``quantizeRows(_:from:stride:)`` then fills.
  ///
  /// - Parameters:
  ///   - rows: At most ``capacity``.
  ///   - width: At most ``maximumWidth``; whole blocks of ``ActivationFormat/blockLength``.
  ///   - format: The form that the layers want.
  /// - Throws: ``KernelError`` with code ``KernelError/Code/invalidShape``, ``KernelError/Code/invalidBlock`` or
  ///   ``KernelError/Code/outOfMemory``.
  public func prepare(rows: Int, width: Int, format: ActivationFormat) throws(KernelError) {
    guard rows >= 0, rows <= capacity, width >= 0, width <= maximumWidth else {
      throw KernelError(
        .invalidShape,
        "\(rows) rows of \(width) do not fit activations made for \(capacity) rows of \(maximumWidth)"
      )
    }
    switch format {
    case .float32:
      if floatStorage == nil { floatStorage = try AlignedBuffer(count: capacity * Self.stride(maximumWidth)) }
    case .int8PerRow, .int8PerBlock32, .int8PerBlock256:
      if let length = format.blockLength, !width.isMultiple(of: length) {
        throw KernelError(.invalidBlock, "rows of \(width) elements are not whole blocks of \(length)")
      }
      if valueStorage == nil {
        let blocks = max(1, (maximumWidth + 31) / 32)
        // All or none, or the next call would find the first and do without the others.
        let values = try AlignedBuffer<Int8>(count: capacity * Self.stride(maximumWidth))
        let scales = try AlignedBuffer<Float>(count: capacity * blocks)
        let scaledSums = try AlignedBuffer<Float>(count: capacity * blocks)
        let sums = try AlignedBuffer<Int32>(count: capacity * blocks * 2)
        let halfSums = try AlignedBuffer<Int16>(count: capacity * blocks * 2)
        let blockSums = try AlignedBuffer<Int16>(count: capacity * blocks)
        (valueStorage, scaleStorage, scaledSumStorage, sumStorage) = (values, scales, scaledSums, sums)
        (halfSumStorage, blockSumStorage) = (halfSums, blockSums)
      }
    }
    self.rows = rows
    self.width = width
    self.format = format
    valueStride = Self.stride(width)
  }

  /// Fills a range of the prepared rows; several threads may fill different ranges at once.
  ///
  /// - Parameters:
  ///   - range: Rows below ``rows``.
  ///   - source: Row 0 of the floats, not the first row of the range.
  ///   - stride: Floats from one row to the next.
  public func quantizeRows(_ range: Range<Int>, from source: UnsafePointer<Float>, stride: Int) {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows, "rows outside those prepared")
    for row in range {
      let x = unsafe source + row * stride
      switch format {
      case .float32:
        unsafe floats.advanced(by: row * valueStride).update(from: x, count: width)
      case .int8PerRow:
        unsafe kernels.quantize_row(
          x,
          width,
          (width + 63) & ~63,
          values + row * valueStride,
          scales + row,
          negatedSums + row
        )
      case .int8PerBlock32, .int8PerBlock256: unsafe quantizeBlocks(of: row, 0..<width, from: x)
      }
    }
  }

  private func quantizeBlocks(of row: Int, _ columns: Range<Int>, from x: UnsafePointer<Float>) {
    let first = row * blocks + columns.lowerBound / 32
    let codes = unsafe values + (row * valueStride + columns.lowerBound)
    if format == .int8PerBlock32 {
      unsafe kernels.quantize_blocks(
        x,
        columns.count,
        codes,
        scales + first,
        scaledSums + first,
        negatedSums + 2 * first
      )
    } else {
      unsafe kernels.quantize_long_blocks(
        x,
        columns.count,
        codes,
        scales + first,
        halfSums + 2 * first,
        blockSums + first,
        negatedSums + 2 * first
      )
    }
  }

  /// Fills whole blocks of columns of all rows, prepared per block; several threads may fill different columns at once.
  ///
  /// `source` holds `[rows × stride]` floats, of these columns alone.
  package func quantizeBlocks(_ columns: Range<Int>, from source: UnsafePointer<Float>, stride: Int) {
    let isWhole = format.blockLength.map {
      columns.lowerBound.isMultiple(of: $0) && columns.upperBound.isMultiple(of: $0)
    }
    precondition(
      isWhole == true && columns.lowerBound >= 0 && columns.upperBound <= width,
      "columns outside the blocks prepared"
    )
    for row in 0..<rows { unsafe quantizeBlocks(of: row, columns, from: source + row * stride) }
  }

  /// Prepares and fills all rows on this thread.
  ///
  /// - Parameters:
  ///   - source: `[rows × stride]` floats, row-major.
  ///   - rows: At most ``capacity``.
  ///   - width: At most ``maximumWidth``.
  ///   - stride: Floats from one row to the next.
  ///   - format: The form that the layers want.
  /// - Throws: ``KernelError`` as ``prepare(rows:width:format:)``.
  public func quantize(
    _ source: UnsafePointer<Float>,
    rows: Int,
    width: Int,
    stride: Int,
    as format: ActivationFormat
  ) throws(KernelError) {
    try prepare(rows: rows, width: width, format: format)
    unsafe quantizeRows(0..<rows, from: source, stride: stride)
  }

  /// Elements from which on a pool's threads share the work: some 5 µs of one.
  private static let sharedElements = 1 << 16

  /// Prepares and fills all rows, on this thread or shared with a pool's.
  ///
  /// - Parameters:
  ///   - source: `[rows × width]` floats, row-major.
  ///   - rows: At most ``capacity``.
  ///   - width: At most ``maximumWidth``.
  ///   - format: The form that the layers want.
  ///   - pool: The threads; `nil` for the calling thread alone.
  /// - Throws: ``KernelError`` as ``prepare(rows:width:format:)``, and ``KernelError/Code/invalidShape`` when `source`
  ///   is too short.
  public func quantize(
    _ source: Span<Float>,
    rows: Int,
    width: Int,
    as format: ActivationFormat,
    pool: WorkerPool? = nil
  ) throws(KernelError) {
    try prepare(rows: rows, width: width, format: format)
    guard source.count >= rows * width else {
      throw KernelError(.invalidShape, "\(source.count) floats are too few for \(rows) rows of \(width)")
    }
    unsafe source.withUnsafeBufferPointer { buffer in
      // Rows without elements have scales and sums, too. Of these nothing is read, and there may be no address.
      var nothing: Float = 0
      unsafe withUnsafePointer(to: &nothing) { stand in
        let base = unsafe buffer.baseAddress ?? stand
        // A row in the cache takes less time than to hand it over.
        guard let pool, rows * width >= Self.sharedElements else {
          unsafe quantizeRows(0..<rows, from: base, stride: width)
          return
        }
        let piece = max(1, (rows + pool.threadCount * 4 - 1) / (pool.threadCount * 4))
        pool.run((rows + piece - 1) / piece) { index in
          unsafe quantizeRows(index * piece..<min(rows, (index + 1) * piece), from: base, stride: width)
        }
      }
    }
  }

  /// Gives a row of ``ActivationFormat/float32`` to a layer that isn't this package's.
  ///
  /// - Parameters:
  ///   - row: Below ``rows``; another one, or another format, is a programmer error and traps.
  ///   - body: Is given the ``width`` floats; they may be read until it returns.
  /// - Returns: What `body` returns.
  /// - Throws: What `body` throws.
  public func withFloats<Result, Failure: Error>(
    row: Int,
    _ body: (Span<Float>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    precondition(format == .float32 && (0..<rows).contains(row), "no row \(row) of floats was prepared")
    let floats = unsafe UnsafeBufferPointer(start: floats + row * valueStride, count: width)
    return try body(unsafe floats.span)
  }

  /// Gives a row of int8 codes to a layer that isn't this package's.
  ///
  /// An element is its code times its scale. A scale is NaN where the row, or the block, held a NaN or an infinity.
  ///
  /// - Parameters:
  ///   - row: Below ``rows``; another one, or another format, is a programmer error and traps.
  ///   - body: Is given the ``width`` codes, and one scale or one for each 32 of them, of which eight are the same for
  ///     ``ActivationFormat/int8PerBlock256``; they may be read until it returns.
  /// - Returns: What `body` returns.
  /// - Throws: What `body` throws.
  public func withCodes<Result, Failure: Error>(
    row: Int,
    _ body: (_ codes: Span<Int8>, _ scales: Span<Float>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    precondition(format != .float32 && (0..<rows).contains(row), "no row \(row) of codes was prepared")
    let count = format == .int8PerRow ? 1 : blocks
    let codes = unsafe UnsafeBufferPointer(start: values + row * valueStride, count: width)
    let scales = unsafe UnsafeBufferPointer(start: scales + row * count, count: count)
    return try body(unsafe codes.span, unsafe scales.span)
  }

  /// Padded to whole cache lines plus one, so that rows a multiple of 4 KB apart do not share a set of the L1 cache.
  private static func stride(_ width: Int) -> Int { ((width + 63) & ~63) + 64 }

  /// Blocks of 32 in a row.
  package var blocks: Int { width / 32 }

  // The buffers exist after `prepare`; before it there are no rows to read. The stand-in keeps the getters total.
  @unsafe package var values: UnsafeMutablePointer<Int8> {
    unsafe (valueStorage?.base) ?? Self.empty(Int8.self)
  }
  @unsafe package var floats: UnsafeMutablePointer<Float> {
    unsafe (floatStorage?.base) ?? Self.empty(Float.self)
  }
  @unsafe package var scales: UnsafeMutablePointer<Float> {
    unsafe (scaleStorage?.base) ?? Self.empty(Float.self)
  }
  @unsafe package var scaledSums: UnsafeMutablePointer<Float> {
    unsafe (scaledSumStorage?.base) ?? Self.empty(Float.self)
  }
  @unsafe package var negatedSums: UnsafeMutablePointer<Int32> {
    unsafe (sumStorage?.base) ?? Self.empty(Int32.self)
  }

  @unsafe package var halfSums: UnsafeMutablePointer<Int16> {
    unsafe (halfSumStorage?.base) ?? Self.empty(Int16.self)
  }
  @unsafe package var blockSums: UnsafeMutablePointer<Int16> {
    unsafe (blockSumStorage?.base) ?? Self.empty(Int16.self)
  }

  private static func empty<T>(_: T.Type) -> UnsafeMutablePointer<T> {
    preconditionFailure("activations were read before prepare(rows:width:format:)")
  }

  /// The view that the block kernels take, from a row and a block on.
  package func blockView(row: Int, block: Int) -> tenfold_block_activations {
    let first = row * blocks + block
    return unsafe tenfold_block_activations(
      values: values + (row * valueStride + block * 32),
      scales: scales + first,
      scaled_sums: scaledSums + first,
      negated_sums: negatedSums + 2 * first,
      half_sums: halfSums + 2 * first,
      block_sums: blockSums + first,
      value_stride: valueStride,
      block_stride: blocks
    )
  }
}
