// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import CTenfoldKernels
import TenfoldKernels

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// How the input columns of an int8 projection are split and scaled.
///
/// A few input columns of BERT are ten times larger than the rest and would take the int8 range for themselves. Each such
/// column is split into copies that share its value (outlier channel splitting, Zhao et al. 2019), and columns are scaled
/// against their weights (Xiao et al. 2023), so that both sides use their range. Where inputs lie to one side of zero, each
/// row also has a zero point of its own, which costs a few more columns.
struct SplitColumns: Sendable {
  /// Input columns.
  let width: Int
  /// For each column past `width`, the input column that it copies.
  let sources: [Int32]
  /// What a column's value is multiplied by before rounding.
  let factors: [Float]
  /// What is added before rounding down.
  let offsets: [Float]
  /// Whether each row has a zero point of its own.
  let hasZeroPoint: Bool
  /// Columns that cancel the zero point.
  private(set) var zeroColumns = 0

  /// All columns of the packed matrix.
  var total: Int { factors.count + zeroColumns }

  /// Chooses the copies.
  ///
  /// - Parameters:
  ///   - magnitudes: The largest magnitude seen in each input column.
  ///   - weights: The matrix.
  ///   - extra: How many copies to add.
  ///   - smoothing: How much of a column's size moves into its weights, 0...1.
  ///   - hasZeroPoint: Whether each row gets a zero point of its own.
  init(
    magnitudes: [Float],
    weights: ProjectionWeights,
    extra: Int,
    smoothing: Float,
    hasZeroPoint: Bool
  ) {
    width = weights.columns
    self.hasZeroPoint = hasZeroPoint
    var scales = [Float](repeating: 1, count: width)
    for column in 0..<width {
      var largest: Float = 1e-4
      for row in 0..<weights.rows { largest = max(largest, abs(weights.matrix[row * width + column])) }
      scales[column] = powf(max(magnitudes[column], 1e-3), smoothing) / powf(largest, 1 - smoothing)
    }
    var copies = [Int](repeating: 1, count: width)
    let sizes = (0..<width).map { max(magnitudes[$0], 1e-3) / scales[$0] }
    var sources: [Int32] = []
    for _ in 0..<extra {
      guard let next = (0..<width).max(by: { sizes[$0] / Float(copies[$0]) < sizes[$1] / Float(copies[$1]) })
      else {
        break
      }
      copies[next] += 1
      sources.append(Int32(next))
    }
    sources.sort()
    self.sources = sources
    var factors = (0..<width).map { 1 / (scales[$0] * Float(copies[$0])) }
    var offsets = (0..<width).map { 0.5 / Float(copies[$0]) }
    var seen = [Int](repeating: 1, count: width)
    for source in sources {
      let column = Int(source)
      factors.append(factors[column])
      offsets.append((Float(seen[column]) + 0.5) / Float(copies[column]))
      seen[column] += 1
    }
    self.factors = factors
    self.offsets = offsets
  }

  /// Codes and scales of the matrix in the new columns, `[rows × total]`.
  mutating func quantize(
    _ weights: ProjectionWeights,
    range: Int8Range
  ) -> (codes: [Int8], scales: [Float]) {
    let limit = range.largestCode
    let steps = Float(limit)
    let columns = factors.count
    var codes = [Int8](repeating: 0, count: weights.rows * columns)
    var scales = [Float](repeating: 0, count: weights.rows)
    var sums = [Int](repeating: 0, count: weights.rows)
    var row = [Float](repeating: 0, count: columns)
    var copies = [Float](repeating: 1, count: width)
    for source in sources { copies[Int(source)] += 1 }
    for index in 0..<weights.rows {
      var largest: Float = 0
      for column in 0..<columns {
        let source = column < width ? column : Int(sources[column - width])
        // A copy's weight is the whole weight: the copies share the value.
        row[column] = weights.matrix[index * width + source] / (factors[column] * copies[source])
        largest = max(largest, abs(row[column]))
      }
      guard largest > 1e-30 else { continue }
      scales[index] = largest / steps
      for column in 0..<columns {
        // The copies of a column round differently, so that their mean is nearer to the weight than any of them.
        let code = max(-steps, min(steps, (row[column] * steps / largest + offsets[column]).rounded(.down)))
        codes[index * columns + column] = Int8(code)
        sums[index] += Int(code)
      }
    }
    if hasZeroPoint { zeroColumns = ((sums.map(abs).max() ?? 0) + limit - 1) / limit }
    var all = [Int8](repeating: 0, count: weights.rows * total)
    for index in 0..<weights.rows {
      for column in 0..<columns { all[index * total + column] = codes[index * columns + column] }
      var rest = sums[index]
      for column in 0..<zeroColumns {
        let share = max(-limit, min(limit, rest))
        all[index * total + columns + column] = Int8(share)
        rest -= share
      }
    }
    return (all, scales)
  }

  /// Calls `body` with the form that C takes.
  func withC<Result>(_ body: (UnsafePointer<tenfold_split_columns>) -> Result) -> Result {
    // One more source than there are copies, so that the array is never empty; the arrays live for the call.
    unsafe (sources + [0]).withUnsafeBufferPointer { sources in
      unsafe factors.withUnsafeBufferPointer { factors in
        unsafe offsets.withUnsafeBufferPointer { offsets in
          guard let sourceBase = sources.baseAddress, let factorBase = factors.baseAddress,
            let offsetBase = offsets.baseAddress
          else { preconditionFailure("a projection has at least one column") }
          var split = unsafe tenfold_split_columns(
            width: width,
            columns: self.factors.count,
            zero_columns: zeroColumns,
            has_zero_point: hasZeroPoint,
            sources: sourceBase,
            factors: factorBase,
            offsets: offsetBase
          )
          return unsafe body(&split)
        }
      }
    }
  }
}
