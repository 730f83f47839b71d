// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The rows of an exact index, in chunks that searches share with the index until one of them changes.
///
/// A search copies the list of chunks, so writers never wait for it; a write then copies at most the chunks that it
/// touches.
struct ExactRows: Sendable {
  /// Rows per chunk: 1.5 MB of 384-dimensional floats, so a copy takes well under a millisecond.
  static let chunkSize = 1024

  struct Chunk: Sendable {
    var ids: [UInt64] = []
    /// `[ids.count × dimension]`, row-major; empty with INT8 rows.
    var floats: [Float] = []
    /// `[ids.count × dimension]`, row-major; empty with FP32 rows.
    var codes: [Int8] = []
    /// One for each row of `codes`.
    var scales: [Float] = []
  }

  let dimension: Int
  let isQuantised: Bool
  private(set) var chunks: [Chunk] = []
  private(set) var count = 0

  init(dimension: Int, isQuantised: Bool) {
    self.dimension = dimension
    self.isQuantised = isQuantised
  }

  /// Bytes that a scan of one row reads.
  var bytesPerRow: Int { isQuantised ? dimension + 4 : dimension * 4 }

  func id(at row: Int) -> UInt64 { chunks[row / Self.chunkSize].ids[row % Self.chunkSize] }

  /// Appends a vector of length 1.
  mutating func append(id: UInt64, _ vector: [Float]) {
    if isQuantised {
      let (codes, scale) = UnitVector.quantised(vector)
      append(id: id, codes: codes[...], scale: scale)
    } else {
      append(id: id, floats: vector[...])
    }
  }

  mutating func append(id: UInt64, floats: ArraySlice<Float>) {
    let chunk = chunkForNextRow()
    chunks[chunk].ids.append(id)
    chunks[chunk].floats.append(contentsOf: floats)
  }

  mutating func append(id: UInt64, codes: ArraySlice<Int8>, scale: Float) {
    let chunk = chunkForNextRow()
    chunks[chunk].ids.append(id)
    chunks[chunk].codes.append(contentsOf: codes)
    chunks[chunk].scales.append(scale)
  }

  /// Puts another vector of length 1 into a row.
  mutating func replace(at row: Int, _ vector: [Float]) {
    let chunk = row / Self.chunkSize
    let index = row % Self.chunkSize
    let range = index * dimension..<(index + 1) * dimension
    if isQuantised {
      let (codes, scale) = UnitVector.quantised(vector)
      chunks[chunk].codes.replaceSubrange(range, with: codes)
      chunks[chunk].scales[index] = scale
    } else {
      chunks[chunk].floats.replaceSubrange(range, with: vector)
    }
  }

  /// Removes a row by moving the last one into its place.
  ///
  /// - Returns: The id of the row that moved, or `nil` if none had to.
  mutating func remove(at row: Int) -> UInt64? {
    let last = count - 1
    var moved: UInt64?
    if row != last {
      let (chunk, index) = (row / Self.chunkSize, row % Self.chunkSize)
      let (source, from) = (chunks.count - 1, last % Self.chunkSize)
      chunks[chunk].ids[index] = chunks[source].ids[from]
      // One by one: a slice of the last chunk would own its values, too, and all of a chunk that is changed be copied.
      for offset in 0..<dimension {
        let (to, from) = (index * dimension + offset, from * dimension + offset)
        if isQuantised {
          chunks[chunk].codes[to] = chunks[source].codes[from]
        } else {
          chunks[chunk].floats[to] = chunks[source].floats[from]
        }
      }
      if isQuantised { chunks[chunk].scales[index] = chunks[source].scales[from] }
      moved = chunks[source].ids[from]
    }
    let end = chunks.count - 1
    chunks[end].ids.removeLast()
    if isQuantised {
      chunks[end].codes.removeLast(dimension)
      chunks[end].scales.removeLast()
    } else {
      chunks[end].floats.removeLast(dimension)
    }
    if chunks[end].ids.isEmpty { chunks.removeLast() }
    count -= 1
    return moved
  }

  private mutating func chunkForNextRow() -> Int {
    if count % Self.chunkSize == 0 { chunks.append(Chunk()) }
    count += 1
    return chunks.count - 1
  }
}
