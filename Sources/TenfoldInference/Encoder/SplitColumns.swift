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
/// row also has a zero point of its own, whose share of a product is taken off again: it is the sum of each output's weights
/// times that point.
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

  /// All columns of the packed matrix.
  var total: Int { factors.count }

  /// Chooses the copies.
  ///
  /// - Parameters:
  ///   - magnitudes: The largest magnitude seen in each input column.
  ///   - weights: The matrix.
  ///   - headroom: A column is split until no part is larger than this times the root of the columns' mean square, or a
  ///     quarter of all were added.
  ///   - smoothing: How much of a column's size moves into its weights, 0...1.
  ///   - hasZeroPoint: Whether each row gets a zero point of its own.
  init(
    magnitudes: [Float],
    weights: ProjectionWeights,
    headroom: Float,
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
    let largestPart = headroom * (sizes.reduce(0) { $0 + $1 * $1 } / Float(width)).squareRoot()
    while sources.count < width / 4,
      let next = (0..<width).max(by: { sizes[$0] / Float(copies[$0]) < sizes[$1] / Float(copies[$1]) }),
      // Rounding takes whole vectors; a part of one costs what its columns would save in the products.
      (width + sources.count) % 16 != 0 || sizes[next] / Float(copies[next]) > largestPart
    {
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

  /// A matrix in the new columns.
  struct Quantized {
    /// `[rows × total]`.
    var codes: [Int8]
    /// One a row.
    var scales: [Float]
    /// The sum of each row's weights as coded.
    var sums: [Float]
  }

  /// Codes the matrix in the new columns.
  func quantize(_ weights: ProjectionWeights, range: Int8Range) -> Quantized {
    let steps = Float(range.largestCode)
    var result = Quantized(
      codes: [Int8](repeating: 0, count: weights.rows * total),
      scales: [Float](repeating: 0, count: weights.rows),
      sums: [Float](repeating: 0, count: weights.rows)
    )
    var row = [Float](repeating: 0, count: total)
    var copies = [Float](repeating: 1, count: width)
    for source in sources { copies[Int(source)] += 1 }
    for index in 0..<weights.rows {
      var largest: Float = 0
      for column in 0..<total {
        let source = column < width ? column : Int(sources[column - width])
        // A copy's weight is the whole weight: the copies share the value.
        row[column] = weights.matrix[index * width + source] / (factors[column] * copies[source])
        largest = max(largest, abs(row[column]))
      }
      guard largest > 1e-30 else { continue }
      result.scales[index] = largest / steps
      var sum = 0
      for column in 0..<total {
        // The copies of a column round differently, so that their mean is nearer to the weight than any of them.
        let code = max(-steps, min(steps, (row[column] * steps / largest + offsets[column]).rounded(.down)))
        result.codes[index * total + column] = Int8(code)
        sum += Int(code)
      }
      result.sums[index] = Float(sum) * result.scales[index]
    }
    return result
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
            columns: total,
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
