// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

internal import CTenfoldKernels

/// Makes packed layers from weights in memory or in a mapped file.
///
/// ```swift
/// let layer = try LinearLayerFactory.make(format: .q8_0, bytes: tensor, rows: 49_152, columns: 576)
/// ```
public enum LinearLayerFactory {
  /// Counts up whenever the packed form of any format changes, so that packed weights kept in files are made anew.
  package static let packedLayoutVersion = 2

  /// The longest row of int8 weights: its sum of products still fits 32 bits.
  public static let maximumInt8Width = 131_072

  /// The most rows of a matrix, many times what a vocabulary has: also without columns it has a size that can be had.
  private static let maximumRows = 1 << 26

  /// Packs a weight matrix; the source may be dropped afterwards.
  ///
  /// - Parameters:
  ///   - format: The format of `bytes`; not ``WeightFormat/int8``, which is made from floats by
  ///     ``makeInt8(weights:rows:columns:range:instructionSet:)``.
  ///   - bytes: `[rows × columns]` as on disk, row-major, any alignment.
  ///   - rows: The output width *n*.
  ///   - columns: The input width *k*, whole blocks of the format.
  ///   - instructionSet: The kernels; `nil` for those of this process.
  /// - Returns: The layer.
  /// - Throws: ``KernelError`` with code ``KernelError/Code/invalidShape``, ``KernelError/Code/invalidBlock``,
  ///   ``KernelError/Code/unsupportedFormat``, ``KernelError/Code/unsupportedInstructionSet`` or
  ///   ``KernelError/Code/outOfMemory``.
  public static func make(
    format: WeightFormat,
    bytes: UnsafeRawBufferPointer,
    rows: Int,
    columns: Int,
    instructionSet: InstructionSet? = nil
  ) throws(KernelError) -> any LinearLayer {
    // Before memory is taken for what may be a damaged file's idea of its size.
    _ = try unsafe checkedRowBytes(format: format, bytes: bytes, rows: rows, columns: columns)
    let memory = try AlignedBuffer<UInt8>(
      count: packedByteCount(format: format, rows: rows, columns: columns)
    )
    return try unsafe make(
      format: format,
      bytes: bytes,
      rows: rows,
      columns: columns,
      in: memory,
      instructionSet: instructionSet
    )
  }

  /// Packs a weight matrix into memory of the caller's, ``packedByteCount(format:rows:columns:)`` bytes.
  package static func make(
    format: WeightFormat,
    bytes: UnsafeRawBufferPointer,
    rows: Int,
    columns: Int,
    in memory: AlignedBuffer<UInt8>,
    instructionSet: InstructionSet? = nil
  ) throws(KernelError) -> any LinearLayer {
    let rowBytes = try unsafe checkedRowBytes(format: format, bytes: bytes, rows: rows, columns: columns)
    let layer = try adopt(
      packed: memory,
      format: format,
      rows: rows,
      columns: columns,
      instructionSet: instructionSet
    )
    // An empty matrix has no address, and nothing to pack.
    guard let base = unsafe bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return layer }
    switch layer {
    case let layer as BlockLinearLayer: unsafe layer.pack(base, rowBytes: rowBytes)
    case let layer as FloatLinearLayer: unsafe layer.pack(base, rowBytes: rowBytes)
    default: preconditionFailure("\(format) has a layer of a kind that packs nothing")
    }
    return layer
  }

  /// Makes a layer of weights that are packed already, for the same instruction set and by the same
  /// ``packedLayoutVersion``.
  package static func adopt(
    packed: AlignedBuffer<UInt8>,
    format: WeightFormat,
    rows: Int,
    columns: Int,
    instructionSet: InstructionSet? = nil
  ) throws(KernelError) -> any LinearLayer {
    let set = try InstructionSet.resolve(instructionSet)
    let expected = try packedByteCount(format: format, rows: rows, columns: columns)
    guard packed.count == expected else {
      throw KernelError(
        .invalidShape,
        "\(packed.count) bytes are not a packed \(format) matrix of \(rows) x \(columns)"
      )
    }
    switch format.kind {
    case .block(let raw):
      return BlockLinearLayer(
        format: format,
        blockFormat: tenfold_block_format(rawValue: raw),
        packed: packed,
        outputWidth: rows,
        inputWidth: columns,
        instructionSet: set
      )
    case .float(let raw):
      return FloatLinearLayer(
        format: format,
        floatFormat: tenfold_float_format(rawValue: raw),
        packed: packed,
        outputWidth: rows,
        inputWidth: columns,
        instructionSet: set
      )
    case .int8: throw int8NeedsScales()
    }
  }

  /// The bytes that a matrix takes once it is packed, on any instruction set.
  package static func packedByteCount(
    format: WeightFormat,
    rows: Int,
    columns: Int
  ) throws(KernelError) -> Int {
    _ = try checkedRowBytes(format: format, rows: rows, columns: columns)
    switch format.kind {
    case .block(let raw):
      return BlockLinearLayer.packedByteCount(
        tenfold_block_format(rawValue: raw),
        outputWidth: rows,
        inputWidth: columns
      )
    case .float:
      return FloatLinearLayer.packedByteCount(format, outputWidth: rows, inputWidth: columns)
    case .int8: throw int8NeedsScales()
    }
  }

  private static func int8NeedsScales() -> KernelError {
    KernelError(.unsupportedFormat, "int8 needs scales: make the layer from floats with makeInt8")
  }

  /// Quantises float weights to int8 with one scale per output column (symmetric) and packs them.
  ///
  /// - Parameters:
  ///   - weights: `[rows × columns]`, row-major, all finite.
  ///   - rows: The output width *n*.
  ///   - columns: The input width *k*, at most ``maximumInt8Width``.
  ///   - range: The codes that the weights become; a row's largest gets ``Int8Range/largestCode``.
  ///   - instructionSet: The kernels; `nil` for those of this process.
  /// - Returns: The layer.
  /// - Throws: ``KernelError`` with code ``KernelError/Code/invalidShape``, ``KernelError/Code/invalidValue``,
  ///   ``KernelError/Code/unsupportedInstructionSet`` or ``KernelError/Code/outOfMemory``.
  public static func makeInt8(
    weights: Span<Float>,
    rows: Int,
    columns: Int,
    range: Int8Range = .full,
    instructionSet: InstructionSet? = nil
  ) throws(KernelError) -> any LinearLayer {
    let set = try InstructionSet.resolve(instructionSet)
    let most = Float(range.largestCode)
    let (count, overflow) = rows.multipliedReportingOverflow(by: columns)
    guard rows >= 0, rows <= maximumRows, columns >= 0, !overflow, weights.count == count else {
      throw KernelError(.invalidShape, "\(weights.count) weights are not \(rows) rows of \(columns)")
    }
    var scales = [Float](repeating: 0, count: rows)
    let codes = try AlignedBuffer<Int8>(count: count)
    for row in 0..<rows {
      var largest: Float = 0
      var finite = true
      for column in 0..<columns {
        let value = weights[row * columns + column]
        finite = finite && value.isFinite
        largest = max(largest, value.magnitude)
      }
      guard finite else {
        throw KernelError(.invalidValue, "weight row \(row) holds a NaN or an infinity: the file is damaged")
      }
      guard largest > 1e-35 else { continue }
      scales[row] = largest / most
      let inverse = most / largest
      for column in 0..<columns {
        let code = (weights[row * columns + column] * inverse).rounded(.toNearestOrEven)
        unsafe codes.base[row * columns + column] = Int8(max(-most, min(most, code)))
      }
    }
    return try unsafe makeInt8(codes: codes.base, scales: scales, columns: columns, instructionSet: set)
  }

  /// Packs int8 codes `[scales.count × columns]` with one scale per row.
  package static func makeInt8(
    codes: UnsafePointer<Int8>,
    scales: [Float],
    columns: Int,
    instructionSet: InstructionSet
  ) throws(KernelError) -> Int8LinearLayer {
    guard columns <= maximumInt8Width else {
      throw KernelError(
        .invalidShape,
        "int8 rows of \(columns) could overflow: the limit is \(maximumInt8Width)"
      )
    }
    return try unsafe Int8LinearLayer(
      codes: codes,
      scales: scales,
      inputWidth: columns,
      instructionSet: instructionSet
    )
  }

  private static func checkedRowBytes(
    format: WeightFormat,
    bytes: UnsafeRawBufferPointer,
    rows: Int,
    columns: Int
  ) throws(KernelError) -> Int {
    let rowBytes = try checkedRowBytes(format: format, rows: rows, columns: columns)
    guard bytes.count == rowBytes * rows else {
      throw KernelError(
        .invalidShape,
        "\(bytes.count) bytes are not \(rows) \(format) rows of \(rowBytes) bytes: the file is damaged"
      )
    }
    return rowBytes
  }

  /// The bytes of a row on disk, where the whole matrix is of a possible size.
  private static func checkedRowBytes(
    format: WeightFormat,
    rows: Int,
    columns: Int
  ) throws(KernelError) -> Int {
    guard rows >= 0, rows <= maximumRows, columns >= 0, columns <= 1 << 24 else {
      throw KernelError(.invalidShape, "a matrix of \(rows) rows and \(columns) columns is not possible")
    }
    guard let rowBytes = format.byteCount(elements: columns) else {
      throw KernelError(
        .invalidBlock,
        "rows of \(columns) are not whole \(format) blocks of \(format.blockSize) elements"
      )
    }
    let (total, overflow) = rowBytes.multipliedReportingOverflow(by: rows)
    // The packed form is at most 4 times as large as the source.
    guard !overflow, total < Int.max / 8 else {
      throw KernelError(.invalidShape, "\(rows) \(format) rows of \(rowBytes) bytes are not possible")
    }
    return rowBytes
  }
}
