// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

internal import CTenfoldBLAS

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#elseif canImport(Darwin)
internal import Darwin
#endif

/// Dense algebra on BLAS and LAPACK, for offline work such as training a router or a rotation.
///
/// Not for hot paths: the reference BLAS of most Linux distributions is 30 to 60 times slower than a good one.
/// All matrices are row-major arrays.
///
/// ```swift
/// let weights = try LinearAlgebra.leastSquares(features, rows: 100, columns: 3, values: targets)
/// ```
public enum LinearAlgebra {
  /// Eigenvalues in rising order and, in row *i* of `vectors` `[n × n]`, the unit vector of value *i*.
  public struct SymmetricEigen: Sendable {
    /// The eigenvalues, rising.
    public let values: [Double]
    /// `[n × n]`, row-major; row *i* belongs to value *i*.
    public let vectors: [Double]
  }

  /// The file of the BLAS that is loaded, links resolved; `nil` where the loader does not tell.
  public static var libraryName: String? {
    guard let path = unsafe tenfold_blas_library() else { return nil }
    guard let resolved = unsafe realpath(path, nil) else { return unsafe String(cString: path) }
    defer { unsafe free(resolved) }
    return unsafe String(cString: resolved)
  }

  /// Multiplies matrices: `a [m × k] * b [k × n]`.
  ///
  /// - Parameters:
  ///   - a: `[m × k]`.
  ///   - b: `[k × n]`, or `[n × k]` with `transposeB`.
  ///   - m: Rows of the result.
  ///   - n: Columns of the result.
  ///   - k: The inner dimension.
  ///   - transposeB: Whether `b` holds its transpose.
  /// - Returns: `[m × n]`.
  /// - Throws: ``KernelError`` with code ``KernelError/Code/invalidShape``.
  public static func multiply(
    _ a: [Double],
    _ b: [Double],
    m: Int,
    n: Int,
    k: Int,
    transposeB: Bool = false
  ) throws(KernelError) -> [Double] {
    try check(a.count, m, k)
    try check(b.count, k, n)
    var result = [Double](repeating: 0, count: try product(m, n))
    guard m > 0, n > 0, k > 0 else { return result }
    // Row-major C = A B is column-major Cᵀ = Bᵀ Aᵀ.
    var (rows, columns, inner) = (Int32(n), Int32(m), Int32(k))
    var (one, zero) = (1.0, 0.0)
    var leading = Int32(transposeB ? k : n)
    unsafe dgemm_(
      transposeB ? "T" : "N",
      "N",
      &rows,
      &columns,
      &inner,
      &one,
      b,
      &leading,
      a,
      &inner,
      &zero,
      &result,
      &rows,
      1,
      1
    )
    return result
  }

  /// Solves `a x = b` for a symmetric positive definite matrix.
  ///
  /// - Parameters:
  ///   - a: `[n × n]`; only one triangle is read.
  ///   - b: `n` values.
  /// - Returns: `x`.
  /// - Throws: ``KernelError`` with code ``KernelError/Code/invalidShape``, ``KernelError/Code/invalidValue`` or
  ///   ``KernelError/Code/singularMatrix``.
  public static func solvePositiveDefinite(_ a: [Double], _ b: [Double]) throws(KernelError) -> [Double] {
    try check(a.count, b.count, b.count)
    guard !b.isEmpty else { return [] }
    try checkFinite(a)
    try checkFinite(b)
    var (matrix, x, n, one, info) = (a, b, Int32(b.count), Int32(1), Int32(0))
    unsafe dposv_("U", &n, &one, &matrix, &n, &x, &n, &info, 1)
    guard info == 0 else {
      throw KernelError(
        .singularMatrix,
        "the matrix is not positive definite (minor \(info)): add a ridge to its diagonal"
      )
    }
    return x
  }

  /// Finds `x` with the least `|a x - values|`, by QR.
  ///
  /// - Parameters:
  ///   - a: `[rows × columns]` of full column rank.
  ///   - rows: At least `columns`.
  ///   - columns: The number of unknowns.
  ///   - values: `rows` values.
  /// - Returns: `columns` values.
  /// - Throws: ``KernelError`` with code ``KernelError/Code/invalidShape``, ``KernelError/Code/invalidValue`` or
  ///   ``KernelError/Code/singularMatrix``.
  public static func leastSquares(
    _ a: [Double],
    rows: Int,
    columns: Int,
    values: [Double]
  ) throws(KernelError) -> [Double] {
    try check(a.count, rows, columns)
    guard values.count == rows, rows >= columns else {
      throw KernelError(.invalidShape, "\(values.count) values for \(rows) equations in \(columns) unknowns")
    }
    guard columns > 0 else { return [] }
    try checkFinite(a)
    try checkFinite(values)
    // The row-major matrix is its column-major transpose: ask for the transposed problem. With one equation more than
    // unknowns at least it is always factored by columns, whatever their sizes.
    let equations = max(rows, columns + 1)
    var matrix = a + [Double](repeating: 0, count: (equations - rows) * columns)
    var x = values + [Double](repeating: 0, count: equations - rows)
    var (m, n, one, leading, info) = (Int32(columns), Int32(equations), Int32(1), Int32(equations), Int32(0))
    var size = Int32(max(1, 64 * (equations + columns)))
    var work = [Double](repeating: 0, count: Int(size))
    unsafe dgels_("T", &m, &n, &one, &matrix, &m, &x, &leading, &work, &size, &info, 1)
    guard info == 0, hasFullRank(factor: matrix, rows: rows, columns: columns) else {
      throw KernelError(.singularMatrix, "the columns are linearly dependent: drop one or add a ridge")
    }
    return Array(x.prefix(columns))
  }

  /// Whether each column of a matrix has a part that is not, within rounding, a sum of those before it.
  ///
  /// `factor` is the L that `dgels` leaves, whose row *i* has the length of column *i*. Dependent columns give its diagonal
  /// rounding errors, but hardly ever the zero that `dgels` looks for.
  private static func hasFullRank(factor: [Double], rows: Int, columns: Int) -> Bool {
    let tolerance = Double(rows) * .ulpOfOne
    return (0..<columns).allSatisfy { index in
      let length = (0...index).reduce(0) { length, other in
        hypot(length, factor[index + other * columns])
      }
      return factor[index * columns + index].magnitude > tolerance * length
    }
  }

  /// Decomposes a symmetric matrix.
  ///
  /// - Parameters:
  ///   - a: `[n × n]`, symmetric.
  ///   - n: Rows and columns.
  /// - Returns: Values and vectors.
  /// - Throws: ``KernelError`` with code ``KernelError/Code/invalidShape``, ``KernelError/Code/invalidValue`` or
  ///   ``KernelError/Code/notConverged``.
  public static func eigen(symmetric a: [Double], n: Int) throws(KernelError) -> SymmetricEigen {
    try check(a.count, n, n)
    guard n > 0 else { return SymmetricEigen(values: [], vectors: []) }
    try checkFinite(a)
    var (matrix, order, info) = (a, Int32(n), Int32(0))
    var values = [Double](repeating: 0, count: n)
    var size = Int32(66 * n)
    var work = [Double](repeating: 0, count: Int(size))
    unsafe dsyev_("V", "U", &order, &matrix, &order, &values, &work, &size, &info, 1, 1)
    guard info == 0 else {
      throw KernelError(.notConverged, "the eigenvalues did not converge (info \(info))")
    }
    return SymmetricEigen(values: values, vectors: matrix)
  }

  private static func product(_ a: Int, _ b: Int) throws(KernelError) -> Int {
    let (count, overflow) = a.multipliedReportingOverflow(by: b)
    guard a >= 0, b >= 0, !overflow, a <= 1 << 24, b <= 1 << 24 else {
      throw KernelError(.invalidShape, "a matrix of \(a) rows and \(b) columns is not possible")
    }
    return count
  }

  private static func check(_ count: Int, _ rows: Int, _ columns: Int) throws(KernelError) {
    let expected = try product(rows, columns)
    guard count == expected else {
      throw KernelError(
        .invalidShape,
        "\(count) values are not a matrix of \(rows) rows and \(columns) columns"
      )
    }
  }

  private static func checkFinite(_ values: [Double]) throws(KernelError) {
    guard values.allSatisfy(\.isFinite) else {
      throw KernelError(.invalidValue, "the matrix or the right side holds a NaN or an infinity")
    }
  }
}
