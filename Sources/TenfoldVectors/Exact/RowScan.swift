// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Dot products of one query with many rows: the one place where the exact index does arithmetic.
enum RowScan {
  /// Fills `scores` with the dot product of the query and each row.
  ///
  /// - Parameters:
  ///   - query: `dimension` values.
  ///   - rows: `[count × dimension]`, row-major.
  ///   - scores: Receives `count` values.
  static func dot(_ query: [Float], _ rows: [Float], into scores: inout [Float]) {
    let dimension = query.count
    let query = query.span
    let rows = rows.span
    for row in scores.indices {
      let start = row * dimension
      var sum: Float = 0
      for index in 0..<dimension { sum += query[index] * rows[start + index] }
      scores[row] = sum
    }
  }

  /// Fills `scores` with the scaled dot product of the query's codes and each row's.
  ///
  /// - Parameters:
  ///   - query: `dimension` codes.
  ///   - queryScale: What one step of the query's codes is worth.
  ///   - rows: `[count × dimension]` codes, row-major.
  ///   - scales: What one step of each row's codes is worth.
  ///   - scores: Receives `count` values.
  static func dot(
    _ query: [Int8],
    queryScale: Float,
    _ rows: [Int8],
    scales: [Float],
    into scores: inout [Float]
  ) {
    let dimension = query.count
    let query = query.span
    let rows = rows.span
    for row in scores.indices {
      let start = row * dimension
      var sum: Int32 = 0
      for index in 0..<dimension { sum &+= Int32(query[index]) &* Int32(rows[start + index]) }
      scores[row] = Float(sum) * queryScale * scales[row]
    }
  }
}
