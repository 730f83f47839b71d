// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldKernels

/// One search over the rows of an exact index, a piece at a time.
struct ExactScan {
  private let rows: ExactRows
  private let queries: [[Float]]
  private let codes: [(codes: [Int8], scale: Float)]
  private(set) var best: [TopMatches]
  private(set) var scannedBytes = 0
  private var scores: [Float] = []

  /// Starts a search for `queries`, which must be vectors of length 1.
  init(rows: ExactRows, queries: [[Float]], limit: Int) {
    self.rows = rows
    self.queries = queries
    self.codes = rows.isQuantised ? queries.map(UnitVector.quantised) : []
    self.best = queries.map { _ in TopMatches(limit: limit) }
  }

  /// Scores the rows of a chunk; all queries share the reading of its rows.
  mutating func scan(chunk index: Int, filter: VectorFilter) {
    let chunk = rows.chunks[index]
    let count = chunk.ids.count
    let mask: [UInt64]? = if case .all = filter { nil } else { Self.mask(chunk.ids, filter) }
    let admitted = mask.map { $0.reduce(0) { $0 + $1.nonzeroBitCount } } ?? count
    guard admitted > 0 else { return }
    if scores.count != count { scores = [Float](repeating: 0, count: count) }
    for query in queries.indices {
      score(query, floats: chunk.floats, codes: chunk.codes, scales: chunk.scales, mask: mask)
      for row in 0..<count where mask.map({ $0[row / 64] >> UInt64(row % 64) & 1 != 0 }) ?? true {
        best[query].offer(id: chunk.ids[row], score: scores[row])
      }
    }
    scannedBytes += admitted * rows.bytesPerRow
  }

  /// A bit for each row, 64 a word: whether the filter admits it.
  private static func mask(_ ids: [UInt64], _ filter: VectorFilter) -> [UInt64] {
    var words = [UInt64](repeating: 0, count: (ids.count + 63) / 64)
    for (row, id) in ids.enumerated() where filter.admits(id) { words[row / 64] |= 1 << UInt64(row % 64) }
    return words
  }

  /// Scores single rows.
  mutating func scan(rowsAt picked: ArraySlice<Int>) {
    if scores.count != 1 { scores = [0] }
    let dimension = rows.dimension
    for row in picked {
      let chunk = rows.chunks[row / ExactRows.chunkSize]
      let index = row % ExactRows.chunkSize
      let range = index * dimension..<(index + 1) * dimension
      let floats = rows.isQuantised ? [] : Array(chunk.floats[range])
      let codes = rows.isQuantised ? Array(chunk.codes[range]) : []
      let scales = rows.isQuantised ? [chunk.scales[index]] : []
      for query in queries.indices {
        score(query, floats: floats, codes: codes, scales: scales, mask: nil)
        best[query].offer(id: chunk.ids[index], score: scores[0])
      }
    }
    scannedBytes += picked.count * rows.bytesPerRow
  }

  /// Fills `scores`; the shapes fit by construction, so a refusal of the kernel leaves no match rather than a trap.
  private mutating func score(
    _ number: Int,
    floats: [Float],
    codes rowCodes: [Int8],
    scales: [Float],
    mask: [UInt64]?
  ) {
    // Taken out and put back, so that the kernel writes into the one buffer without a copy.
    var output = scores
    scores = []
    defer { scores = output }
    do throws(KernelError) {
      if rows.isQuantised {
        try Self.dot(codes[number].codes, codes[number].scale, rowCodes, scales, mask, into: &output)
      } else {
        try Self.dot(queries[number], floats, mask, into: &output)
      }
    } catch {
      for index in output.indices { output[index] = .nan }
    }
  }

  private static func dot(
    _ query: [Float],
    _ rows: [Float],
    _ mask: [UInt64]?,
    into output: inout [Float]
  ) throws(KernelError) {
    var span = output.mutableSpan
    if let mask {
      return try VectorScan.dot(
        query: query.span,
        rows: rows.span,
        dimension: query.count,
        admitting: mask.span,
        into: &span
      )
    }
    try VectorScan.dot(query: query.span, rows: rows.span, dimension: query.count, into: &span)
  }

  private static func dot(
    _ query: [Int8],
    _ queryScale: Float,
    _ rows: [Int8],
    _ scales: [Float],
    _ mask: [UInt64]?,
    into output: inout [Float]
  ) throws(KernelError) {
    var span = output.mutableSpan
    if let mask {
      return try VectorScan.dot(
        query: query.span,
        queryScale: queryScale,
        rows: rows.span,
        scales: scales.span,
        dimension: query.count,
        admitting: mask.span,
        into: &span
      )
    }
    try VectorScan.dot(
      query: query.span,
      queryScale: queryScale,
      rows: rows.span,
      scales: scales.span,
      dimension: query.count,
      into: &span
    )
  }
}

extension ExactRows {
  /// A row as floats.
  func vector(at row: Int) -> [Float] {
    let chunk = chunks[row / Self.chunkSize]
    let index = row % Self.chunkSize
    let range = index * dimension..<(index + 1) * dimension
    guard isQuantised else { return Array(chunk.floats[range]) }
    let scale = chunk.scales[index]
    return chunk.codes[range].map { Float($0) * scale }
  }
}
