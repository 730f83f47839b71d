// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

internal import CTenfoldKernels

/// Scans of the rows that a bitmap admits, 64 rows a word; rows that it doesn't admit are not read.
extension VectorScan {
  /// Dot products of float vectors, for the rows whose bit is set.
  ///
  /// - Parameters:
  ///   - query: `dimension` floats.
  ///   - rows: `[count × dimension]`, row-major, where `count` is the length of `output`.
  ///   - dimension: The length of a vector.
  ///   - mask: Row *r* counts if bit *r* mod 64 of word *r* / 64 is set; at least `count` bits, the rest is ignored.
  ///   - output: Receives the score of a row, NaN where its bit is not set: ``TopK`` never ranks that.
  ///   - instructionSet: The kernels; scores have the bits of a scan without a mask.
  /// - Throws: ``KernelError`` with code ``KernelError/Code/invalidShape`` or
  ///   ``KernelError/Code/unsupportedInstructionSet``.
  /// - Complexity: O(*m* `dimension` + `count`) for *m* set bits.
  public static func dot(
    query: Span<Float>,
    rows: Span<Float>,
    dimension: Int,
    admitting mask: Span<UInt64>,
    into output: inout MutableSpan<Float>,
    instructionSet: InstructionSet = .current
  ) throws(KernelError) {
    try check(query: query.count, rows: rows.count, dimension: dimension, outputs: output.count)
    try check(mask: mask.count, outputs: output.count)
    let kernels = try unsafe InstructionSet.resolve(instructionSet).backend.scan.pointee
    let count = output.count
    unsafe output.withUnsafeMutableBufferPointer { o in
      unsafe o.update(repeating: .nan)
      unsafe query.withUnsafeBufferPointer { q in
        unsafe rows.withUnsafeBufferPointer { r in
          unsafe mask.withUnsafeBufferPointer { m in
            guard let target = o.baseAddress, let m = m.baseAddress, count > 0 else { return }
            // With no dimension there may be no address; nothing is read through the stand-in.
            let q = unsafe q.baseAddress ?? UnsafePointer(target)
            let r = unsafe r.baseAddress ?? UnsafePointer(target)
            unsafe kernels.dot_float_masked(q, r, dimension, count, dimension, m, target)
          }
        }
      }
    }
  }

  /// Scaled dot products of int8 vectors, for the rows whose bit is set: `queryScale * scales[r] * Σ query * row`.
  ///
  /// - Parameters:
  ///   - query: `dimension` codes.
  ///   - queryScale: What one step of the query's codes stands for.
  ///   - rows: `[count × dimension]` codes, row-major, where `count` is the length of `output`.
  ///   - scales: One per row.
  ///   - dimension: The length of a vector, at most 131,071.
  ///   - mask: Row *r* counts if bit *r* mod 64 of word *r* / 64 is set; at least `count` bits, the rest is ignored.
  ///   - output: Receives the score of a row, NaN where its bit is not set: ``TopK`` never ranks that.
  ///   - instructionSet: The kernels; all sets give the same bits.
  /// - Throws: ``KernelError`` with code ``KernelError/Code/invalidShape`` or
  ///   ``KernelError/Code/unsupportedInstructionSet``.
  /// - Complexity: O(*m* `dimension` + `count`) for *m* set bits.
  public static func dot(
    query: Span<Int8>,
    queryScale: Float,
    rows: Span<Int8>,
    scales: Span<Float>,
    dimension: Int,
    admitting mask: Span<UInt64>,
    into output: inout MutableSpan<Float>,
    instructionSet: InstructionSet = .current
  ) throws(KernelError) {
    try check(query: query.count, rows: rows.count, dimension: dimension, outputs: output.count)
    try check(scales: scales.count, dimension: dimension, outputs: output.count)
    try check(mask: mask.count, outputs: output.count)
    let kernels = try unsafe InstructionSet.resolve(instructionSet).backend.scan.pointee
    let count = output.count
    unsafe output.withUnsafeMutableBufferPointer { o in
      unsafe query.withUnsafeBufferPointer { q in
        unsafe rows.withUnsafeBufferPointer { r in
          unsafe mask.withUnsafeBufferPointer { m in
            // 128 integer sums, two words of the mask, at a time on the stack.
            unsafe withUnsafeTemporaryAllocation(of: Int32.self, capacity: 128) { sums in
              guard let base = sums.baseAddress, let m = m.baseAddress else { return }
              // With no dimension there may be no address; nothing is read through the stand-in.
              let stand = unsafe UnsafeRawPointer(base).assumingMemoryBound(to: Int8.self)
              let (q, r) = unsafe (q.baseAddress ?? stand, r.baseAddress ?? stand)
              for start in stride(from: 0, to: count, by: 128) {
                let length = min(128, count - start)
                let words = unsafe m + start / 64
                unsafe kernels.dot_i8_masked(
                  q,
                  r + start * dimension,
                  dimension,
                  length,
                  dimension,
                  words,
                  base
                )
                for row in 0..<length {
                  let isAdmitted = unsafe words[row / 64] >> UInt64(row % 64) & 1 != 0
                  unsafe o[start + row] =
                    isAdmitted ? Float(base[row]) * (queryScale * scales[start + row]) : .nan
                }
              }
            }
          }
        }
      }
    }
  }

  private static func check(mask: Int, outputs: Int) throws(KernelError) {
    guard mask >= (outputs + 63) / 64 else {
      throw KernelError(.invalidShape, "a mask of \(mask) words is too short for \(outputs) rows")
    }
  }
}
