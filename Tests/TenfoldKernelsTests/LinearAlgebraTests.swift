// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldKernels
import Testing

@Suite("Linear algebra")
struct LinearAlgebraTests {
  @Test("multiplies, with and without a transpose")
  func multiply() throws {
    print("BLAS: \(LinearAlgebra.libraryName ?? "unknown")")
    let a: [Double] = [1, 2, 3, 4, 5, 6]
    let b: [Double] = [1, 0, 2, 1, 0, 3]
    #expect(try LinearAlgebra.multiply(a, b, m: 2, n: 2, k: 3) == [5, 11, 14, 23])
    #expect(
      try LinearAlgebra.multiply(a, [1, 2, 0, 0, 1, 3], m: 2, n: 2, k: 3, transposeB: true) == [
        5, 11, 14, 23,
      ]
    )
    #expect(throws: KernelError.self) { try LinearAlgebra.multiply(a, b, m: 2, n: 2, k: 2) }
  }

  @Test("fits a line")
  func leastSquares() throws {
    let x = try LinearAlgebra.leastSquares(
      [1, 0, 1, 1, 1, 2, 1, 3],
      rows: 4,
      columns: 2,
      values: [1, 3, 5, 7]
    )
    #expect(abs(x[0] - 1) < 1e-12 && abs(x[1] - 2) < 1e-12)
    #expect(throws: KernelError.self) {
      try LinearAlgebra.leastSquares([.nan, 1], rows: 2, columns: 1, values: [1, 1])
    }
  }

  @Test("solves positive definite systems and names the others")
  func positiveDefinite() throws {
    let x = try LinearAlgebra.solvePositiveDefinite([4, 1, 1, 3], [1, 2])
    #expect(abs(x[0] - 1.0 / 11) < 1e-12 && abs(x[1] - 7.0 / 11) < 1e-12)
    #expect(throws: KernelError.self) { try LinearAlgebra.solvePositiveDefinite([1, 2, 2, 1], [1, 2]) }
  }

  @Test("decomposes a symmetric matrix")
  func eigen() throws {
    let result = try LinearAlgebra.eigen(symmetric: [2, 1, 1, 2], n: 2)
    #expect(abs(result.values[0] - 1) < 1e-12 && abs(result.values[1] - 3) < 1e-12)
    #expect(abs(abs(result.vectors[2]) - 0.5.squareRoot()) < 1e-12)
    #expect(abs(result.vectors[2] - result.vectors[3]) < 1e-12)
  }

  @Test(
    "finds columns that depend on each other up to rounding",
    arguments: [
      [1, 0.1, 0.1, 1, 0.2, 0.2, 1, 0.3, 0.3, 1, 0.7, 0.7], [1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 1, 1],
      [1, 2, 3, 4, 5, 6, 7, 8, 9],
    ] as [[Double]]
  )
  func dependent(matrix: [Double]) throws {
    let rows = matrix.count / 3
    let values = (0..<rows).map { Double($0 * $0) }
    let error = #expect(throws: KernelError.self) {
      try LinearAlgebra.leastSquares(matrix, rows: rows, columns: 3, values: values)
    }
    #expect(error?.code == .singularMatrix)
  }

  @Test("takes columns of very different size", arguments: [2, 3])
  func scales(rows: Int) throws {
    let x = try LinearAlgebra.leastSquares(
      Array([1, 1e-20, 1, 2e-20, 1, 3e-20].prefix(2 * rows)),
      rows: rows,
      columns: 2,
      values: Array([3, 5, 7].prefix(rows))
    )
    #expect(abs(x[0] - 1) < 1e-12 && abs(x[1] / 2e20 - 1) < 1e-12)
  }
}
