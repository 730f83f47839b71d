// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

internal import CTenfoldKernels

/// Dot products of one query with many rows, for exact search.
///
/// ```swift
/// try VectorScan.dot(query: query.span, rows: vectors.span, dimension: 384, into: &scores)
/// var best = TopK(capacity: 10)
/// best.offer(scores.span)
/// ```
public enum VectorScan {
  /// The longest int8 vectors: the sum of so many products fits in 32 bits whatever the codes, -128 among them.
  public static let maximumInt8Dimension = 131_071

  /// Dot products of float vectors.
  ///
  /// - Parameters:
  ///   - query: `dimension` floats.
  ///   - rows: `[count × dimension]`, row-major, where `count` is the length of `output`.
  ///   - dimension: The length of a vector.
  ///   - output: Receives one score per row.
  ///   - instructionSet: The kernels; results differ in the last bits between sets.
  /// - Throws: ``KernelError`` with code ``KernelError/Code/invalidShape`` or
  ///   ``KernelError/Code/unsupportedInstructionSet``.
  public static func dot(
    query: Span<Float>,
    rows: Span<Float>,
    dimension: Int,
    into output: inout MutableSpan<Float>,
    instructionSet: InstructionSet = .current
  ) throws(KernelError) {
    try check(query: query.count, rows: rows.count, dimension: dimension, outputs: output.count)
    let kernels = try unsafe InstructionSet.resolve(instructionSet).backend.scan.pointee
    let count = output.count
    unsafe query.withUnsafeBufferPointer { q in
      unsafe rows.withUnsafeBufferPointer { r in
        unsafe output.withUnsafeMutableBufferPointer { o in
          guard let target = o.baseAddress, count > 0 else { return }
          guard let q = q.baseAddress, let r = r.baseAddress else {
            unsafe o.update(repeating: 0)
            return
          }
          unsafe kernels.dot_float(q, r, dimension, count, dimension, target)
        }
      }
    }
  }

  /// Cosines of float vectors; 0 where a vector has no length, NaN where one holds a NaN or an infinity.
  ///
  /// - Parameters:
  ///   - query: `dimension` floats.
  ///   - rows: `[count × dimension]`, row-major, where `count` is the length of `output`.
  ///   - dimension: The length of a vector.
  ///   - output: Receives one score per row.
  ///   - instructionSet: The kernels.
  /// - Throws: ``KernelError`` with code ``KernelError/Code/invalidShape`` or
  ///   ``KernelError/Code/unsupportedInstructionSet``.
  public static func cosine(
    query: Span<Float>,
    rows: Span<Float>,
    dimension: Int,
    into output: inout MutableSpan<Float>,
    instructionSet: InstructionSet = .current
  ) throws(KernelError) {
    try dot(query: query, rows: rows, dimension: dimension, into: &output, instructionSet: instructionSet)
    guard output.count > 0, dimension > 0 else { return }
    let kernels = try unsafe InstructionSet.resolve(instructionSet).backend.scan.pointee
    let count = output.count
    unsafe query.withUnsafeBufferPointer { q in
      unsafe rows.withUnsafeBufferPointer { r in
        unsafe output.withUnsafeMutableBufferPointer { o in
          guard let q = q.baseAddress, let r = r.baseAddress else { return }
          var square: Float = 0
          unsafe kernels.dot_float(q, q, dimension, 1, dimension, &square)
          let (querySquare, queryLength) = (square, square.squareRoot())
          for row in 0..<count {
            let vector = unsafe r + row * dimension
            unsafe kernels.dot_float(vector, vector, dimension, 1, dimension, &square)
            if safeSquares.contains(querySquare), safeSquares.contains(square) {
              unsafe o[row] /= queryLength * square.squareRoot()
            } else {
              unsafe o[row] = preciseCosine(q, vector, dimension)
            }
          }
        }
      }
    }
  }

  /// Squares of lengths with which no sum, nor its product with another, leaves the range of floats.
  private static let safeSquares: ClosedRange<Float> = 1e-30...1e30

  /// The cosine of vectors of any finite length; NaN where one holds a NaN or an infinity, 0 where one has no length.
  private static func preciseCosine(
    _ a: UnsafePointer<Float>,
    _ b: UnsafePointer<Float>,
    _ dimension: Int
  ) -> Float {
    var (dot, first, second) = (0.0, 0.0, 0.0)
    for index in 0..<dimension {
      let (x, y) = unsafe (Double(a[index]), Double(b[index]))
      dot += x * y
      first += x * x
      second += y * y
    }
    guard first.isFinite, second.isFinite else { return .nan }
    let length = first.squareRoot() * second.squareRoot()
    return length > 0 ? Float(dot / length) : 0
  }

  /// Scaled dot products of int8 vectors: `queryScale * scales[r] * Σ query * row`, the sum exact.
  ///
  /// - Parameters:
  ///   - query: `dimension` codes.
  ///   - queryScale: What one step of the query's codes stands for.
  ///   - rows: `[count × dimension]` codes, row-major, where `count` is the length of `output`.
  ///   - scales: One per row.
  ///   - dimension: The length of a vector, at most 131,071.
  ///   - output: Receives one score per row.
  ///   - instructionSet: The kernels; all sets give the same bits.
  /// - Throws: ``KernelError`` with code ``KernelError/Code/invalidShape`` or
  ///   ``KernelError/Code/unsupportedInstructionSet``.
  public static func dot(
    query: Span<Int8>,
    queryScale: Float,
    rows: Span<Int8>,
    scales: Span<Float>,
    dimension: Int,
    into output: inout MutableSpan<Float>,
    instructionSet: InstructionSet = .current
  ) throws(KernelError) {
    try check(query: query.count, rows: rows.count, dimension: dimension, outputs: output.count)
    try check(scales: scales.count, dimension: dimension, outputs: output.count)
    let kernels = try unsafe InstructionSet.resolve(instructionSet).backend.scan.pointee
    let count = output.count
    unsafe query.withUnsafeBufferPointer { q in
      unsafe rows.withUnsafeBufferPointer { r in
        unsafe output.withUnsafeMutableBufferPointer { o in
          guard count > 0 else { return }
          guard let q = q.baseAddress, let r = r.baseAddress else {
            unsafe o.update(repeating: 0)
            return
          }
          // 128 integer sums at a time, on the stack.
          unsafe withUnsafeTemporaryAllocation(of: Int32.self, capacity: 128) { sums in
            guard let base = sums.baseAddress else { return }
            for start in stride(from: 0, to: count, by: 128) {
              let length = min(128, count - start)
              unsafe kernels.dot_i8(q, r + start * dimension, dimension, length, dimension, base)
              for row in 0..<length {
                unsafe o[start + row] = Float(base[row]) * (queryScale * scales[start + row])
              }
            }
          }
        }
      }
    }
  }

  /// Quantises a vector to int8, the largest magnitude to 127.
  ///
  /// - Parameters:
  ///   - vector: Finite floats; with a NaN or an infinity the codes are 0 and the scale is NaN.
  ///   - output: Receives as many codes.
  ///   - instructionSet: The kernels; all sets give the same bits.
  /// - Returns: The scale: `vector ≈ scale * code`.
  /// - Throws: ``KernelError`` with code ``KernelError/Code/invalidShape`` or
  ///   ``KernelError/Code/unsupportedInstructionSet``.
  public static func quantize(
    _ vector: Span<Float>,
    into output: inout MutableSpan<Int8>,
    instructionSet: InstructionSet = .current
  ) throws(KernelError) -> Float {
    guard vector.count == output.count else {
      throw KernelError(.invalidShape, "\(output.count) codes cannot hold a vector of \(vector.count)")
    }
    let kernels = try unsafe InstructionSet.resolve(instructionSet).backend.rows.pointee
    var scale: Float = 0
    unsafe vector.withUnsafeBufferPointer { v in
      unsafe output.withUnsafeMutableBufferPointer { o in
        guard let v = v.baseAddress, let target = o.baseAddress else { return }
        var sum: Int32 = 0
        unsafe kernels.quantize_row(v, o.count, o.count, target, &scale, &sum)
      }
    }
    return scale
  }

  static func check(scales: Int, dimension: Int, outputs: Int) throws(KernelError) {
    guard scales == outputs, dimension <= maximumInt8Dimension else {
      throw KernelError(
        .invalidShape,
        "\(scales) scales for \(outputs) rows of \(dimension) (at most \(maximumInt8Dimension) elements)"
      )
    }
  }

  static func check(query: Int, rows: Int, dimension: Int, outputs: Int) throws(KernelError) {
    let (needed, overflow) = outputs.multipliedReportingOverflow(by: dimension)
    guard dimension >= 0, query == dimension, !overflow, rows == needed else {
      throw KernelError(
        .invalidShape,
        "a query of \(query) and rows of \(rows) elements are not \(outputs) vectors of \(dimension)"
      )
    }
  }
}
