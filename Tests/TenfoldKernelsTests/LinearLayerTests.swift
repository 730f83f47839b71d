// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldKernels
import TenfoldTesting
import Testing

@Suite("Linear layers")
struct LinearLayerTests {
  #if DEBUG
  static let shapes = [(17, 256)]
  #else
  static let shapes = [
    (1, 256), (15, 256), (16, 512), (17, 256), (47, 768), (48, 256), (49, 512), (113, 1_280),
  ]
  #endif

  @Test(
    "keep the contract in every format on every backend",
    arguments: InstructionSet.available,
    KernelFixtures.packedFormats
  )
  func contract(set: InstructionSet, format: WeightFormat) throws {
    for (rows, columns) in Self.shapes {
      let bytes = try KernelFixtures.weights(
        format,
        rows: rows,
        columns: columns,
        seed: UInt64(rows * columns)
      )
      let layer = try KernelFixtures.layer(format, bytes: bytes, rows: rows, columns: columns, set)
      let floats = try KernelFixtures.floats(format, bytes: bytes, count: rows * columns)
      let violations = LinearLayerContract.violations(of: layer, weights: floats, instructionSet: set)
      #expect(violations.isEmpty, "\(set) \(format) \(rows)x\(columns)")
    }
  }

  @Test("of int8 keep the contract on every backend", arguments: InstructionSet.available)
  func int8Contract(set: InstructionSet) throws {
    for (rows, columns) in [(1, 1), (17, 3), (49, 67), (16, 64)] {
      var generator = SeededGenerator(UInt64(rows))
      // Codes that are exact: every row holds 127, so its scale is 1.
      let weights = (0..<rows * columns).map { index in
        index % columns == 0 ? Float(127) : Float(Int(generator.next() % 255) - 127)
      }
      let layer = try LinearLayerFactory.makeInt8(
        weights: weights.span,
        rows: rows,
        columns: columns,
        instructionSet: set
      )
      let violations = LinearLayerContract.violations(of: layer, weights: weights, instructionSet: set)
      #expect(violations.isEmpty, "\(set) \(rows)x\(columns)")
    }
  }

  /// The oracle: quantised activations times dequantised weights, block by block in double precision.
  @Test(
    "equal the block oracle to float rounding",
    arguments: InstructionSet.available,
    KernelFixtures.packedFormats.filter { $0.activationFormat.blockLength != nil }
  )
  func blockOracle(set: InstructionSet, format: WeightFormat) throws {
    let (rows, n, k) = (9, 35, 512)
    let bytes = try KernelFixtures.weights(format, rows: n, columns: k, seed: 5)
    let layer = try KernelFixtures.layer(format, bytes: bytes, rows: n, columns: k, set)
    let weights = try KernelFixtures.floats(format, bytes: bytes, count: n * k)
    var generator = SeededGenerator(6)
    let x = (0..<rows * k).map { _ in generator.unit() * 3 }
    var rounded = [Double](repeating: 0, count: rows * k)
    let block = try #require(format.activationFormat.blockLength)
    for start in stride(from: 0, to: rows * k, by: block) {
      let largest = x[start..<start + block].map(\.magnitude).max() ?? 0
      for index in start..<start + block {
        rounded[index] =
          Double((x[index] * (127 / largest)).rounded(.toNearestOrEven)) * Double(largest / 127)
      }
    }
    let activations = try Activations(capacity: rows, width: k, instructionSet: set)
    try activations.quantize(x.span, rows: rows, width: k, as: format.activationFormat)
    var y = [Float](repeating: 0, count: rows * n)
    unsafe y.withUnsafeMutableBufferPointer {
      if let base = $0.baseAddress {
        unsafe layer.multiply(
          activations,
          panels: 0..<layer.panelCount,
          into: base,
          outputStride: n,
          epilogue: .none
        )
      }
    }
    for row in 0..<rows {
      for column in 0..<n {
        var (sum, size) = (0.0, 0.0)
        for index in 0..<k {
          let term = rounded[row * k + index] * Double(weights[column * k + index])
          sum += term
          size += abs(term)
        }
        // The offset formats add two parts of opposite sign: the bound is on the sum of magnitudes of both.
        #expect(abs(Double(y[row * n + column]) - sum) <= 1e-5 * size + 1e-6, "\(row) \(column)")
      }
    }
  }

  @Test("of int8 sum exactly on every backend", arguments: InstructionSet.available)
  func int8Exact(set: InstructionSet) throws {
    #if DEBUG
    let shapes = [(1, 1, 1), (9, 49, 67), (2, 17, 5)]
    #else
    let shapes = [
      (1, 1, 1), (1, 64, 64), (1, 67, 577), (2, 17, 5), (3, 48, 63), (4, 49, 65), (5, 31, 128), (7, 16, 1),
      (8, 47, 256),
      (9, 97, 131), (17, 101, 1_031), (64, 384, 384),
    ]
    #endif
    for (rows, n, k) in shapes {
      // Codes of 8 bits and, for a set that has kernels of their own for them, of 7.
      for (extreme, narrow) in [(false, false), (true, false), (false, true), (true, true)] {
        var generator = SeededGenerator(UInt64(rows * n * k))
        let codes = (0..<n * k).map { index -> Int8 in
          if narrow {
            return extreme ? Int8(index % 3 == 0 ? -64 : 64) : Int8(Int(generator.next() % 129) - 64)
          }
          return extreme ? Int8(-128) : Int8(truncatingIfNeeded: generator.next() >> 9)
        }
        let x = (0..<rows * k).map { index in
          index % k == 0 || extreme ? Float(127) : Float(Int(generator.next() % 255) - 127)
        }
        let layer = try unsafe codes.withUnsafeBufferPointer {
          try unsafe LinearLayerFactory.makeInt8(
            codes: #require($0.baseAddress),
            scales: [Float](repeating: 1, count: n),
            columns: k,
            instructionSet: set
          )
        }
        let activations = try Activations(capacity: rows, width: k, instructionSet: set)
        try activations.quantize(x.span, rows: rows, width: k, as: .int8PerRow)
        let buffer = try AlignedBuffer<Int32>(count: rows * n)
        try layer.integerSums(activations, into: buffer, pool: WorkerPool(threads: 1))
        let sums = unsafe Array(UnsafeBufferPointer(start: buffer.base, count: rows * n))
        var expected = [Int32](repeating: 0, count: rows * n)
        for row in 0..<rows {
          for column in 0..<n {
            for index in 0..<k {
              expected[row * n + column] += Int32(codes[column * k + index]) * Int32(x[row * k + index])
            }
          }
        }
        #expect(sums == expected, "\(set) \(rows)x\(n)x\(k) extreme \(extreme) narrow \(narrow)")
        if set.name == "avx2", narrow { #expect(layer.isNarrow) }
      }
    }
  }

  @Test("of int8 in the reduced range round twice as coarsely", arguments: [Int8Range.full, .reduced])
  func int8Range(range: Int8Range) throws {
    // Each row of the layer meets a row of the unit matrix, whose codes are exact: out come the rounded weights.
    let (rows, columns) = (3, 64)
    var generator = SeededGenerator(11)
    let weights = (0..<rows * columns).map { _ in generator.unit() }
    let unit = (0..<columns * columns).map { Float($0 / columns == $0 % columns ? 127 : 0) }
    let layer = try LinearLayerFactory.makeInt8(
      weights: weights.span,
      rows: rows,
      columns: columns,
      range: range
    )
    var rounded = [Float](repeating: 0, count: columns * rows)
    var span = rounded.mutableSpan
    try layer.apply(unit.span, rows: columns, into: &span)
    for row in 0..<rows {
      let step =
        (weights[row * columns..<(row + 1) * columns].map(\.magnitude).max() ?? 0)
        / Float(range.largestCode)
      for column in 0..<columns {
        let code = rounded[column * rows + row] / 127 / step
        #expect(abs(code - code.rounded()) < 1e-4 && code.magnitude < Float(range.largestCode) + 0.5)
        #expect(abs(code * step - weights[row * columns + column]) <= step * 0.501)
      }
    }
    let relativeError = Self.error(of: range)
    #expect(range == .full ? relativeError < 0.009 : relativeError < 0.018)
  }

  /// The root mean square of the rounding error of a normally distributed row, relative to that of the row.
  private static func error(of range: Int8Range) -> Double {
    var generator = SeededGenerator(12)
    // Sums of twelve uniform numbers are nearly normal.
    let row = (0..<1_024).map { _ in (0..<12).reduce(0.0) { sum, _ in sum + Double(generator.unit()) } }
    let step = (row.map(\.magnitude).max() ?? 0) / Double(range.largestCode)
    let error = row.reduce(0.0) {
      $0 + ($1 - ($1 / step).rounded() * step) * ($1 - ($1 / step).rounded() * step)
    }
    return (error / row.reduce(0) { $0 + $1 * $1 }).squareRoot()
  }

  @Test("take weights at any alignment", arguments: InstructionSet.available)
  func alignment(set: InstructionSet) throws {
    let bytes = try KernelFixtures.weights(.q4_1, rows: 5, columns: 64, seed: 3)
    let x = [Float](repeating: 0.5, count: 64)
    let reference = try KernelFixtures.layer(.q4_1, bytes: bytes, rows: 5, columns: 64, set)
    var expected = [Float](repeating: 0, count: 5)
    var expectedSpan = expected.mutableSpan
    try reference.apply(x.span, rows: 1, into: &expectedSpan)
    for shift in [1, 2, 3, 7, 33] {
      let moved = [UInt8](repeating: 0, count: shift) + bytes
      let layer = try unsafe moved.withUnsafeBytes {
        try unsafe LinearLayerFactory.make(
          format: .q4_1,
          bytes: UnsafeRawBufferPointer(rebasing: $0[shift...]),
          rows: 5,
          columns: 64,
          instructionSet: set
        )
      }
      var y = [Float](repeating: 0, count: 5)
      var span = y.mutableSpan
      try layer.apply(x.span, rows: 1, into: &span)
      #expect(y == expected)
    }
  }

  @Test("give the same bits on any number of threads")
  func threads() throws {
    let bytes = try KernelFixtures.weights(.q5_0, rows: 200, columns: 64, seed: 8)
    let layer = try KernelFixtures.layer(.q5_0, bytes: bytes, rows: 200, columns: 64, .current)
    var generator = SeededGenerator(1)
    let x = (0..<12 * 64).map { _ in generator.unit() }
    var alone = [Float](repeating: 0, count: 12 * 200)
    var aloneSpan = alone.mutableSpan
    try layer.apply(x.span, rows: 12, into: &aloneSpan)
    for threads in [1, 2, 5] {
      var shared = [Float](repeating: 0, count: 12 * 200)
      var span = shared.mutableSpan
      try layer.apply(x.span, rows: 12, into: &span, pool: WorkerPool(threads: threads))
      #expect(shared == alone)
    }
  }

  @Test("refuse impossible shapes with a typed error")
  func refusals() throws {
    func code(_ format: WeightFormat, _ count: Int, _ rows: Int, _ columns: Int) -> KernelError.Code? {
      let bytes = [UInt8](repeating: 0, count: count)
      do {
        _ = try KernelFixtures.layer(format, bytes: bytes, rows: rows, columns: columns, .current)
        return nil
      } catch { return (error as? KernelError)?.code }
    }
    #expect(code(.q4_1, 20, 1, 31) == .invalidBlock)
    #expect(code(.q6_k, 210, 1, 32) == .invalidBlock)
    #expect(code(.q4_1, 19, 1, 32) == .invalidShape)
    #expect(code(.q4_1, 20, -1, 32) == .invalidShape)
    #expect(code(.f32, 4, Int.max, 1 << 20) == .invalidShape)
    #expect(code(.int8, 32, 1, 32) == .unsupportedFormat)
    #expect(code(.q4_1, 0, 0, 32) == nil)
    #expect(code(.q4_1, 0, 4, 0) == nil)
    // Without columns no product of the sizes overflows.
    #expect(code(.q4_1, 0, 1 << 62, 0) == .invalidShape)
    #expect(code(.f32, 0, Int.max, 0) == .invalidShape)
    let none: [Float] = []
    #expect(throws: KernelError.self) {
      try LinearLayerFactory.makeInt8(weights: none.span, rows: 1 << 62, columns: 0)
    }
    #expect(throws: KernelError.self) {
      try LinearLayerFactory.makeInt8(weights: [Float.nan].span, rows: 1, columns: 1)
    }
    let layer = try LinearLayerFactory.makeInt8(weights: [1, 2].span, rows: 2, columns: 1)
    var y: [Float] = [0]
    var span = y.mutableSpan
    #expect(throws: KernelError.self) { try layer.apply([1].span, rows: 1, into: &span) }
    #expect(throws: KernelError.self) { try layer.apply([1].span, rows: -1, into: &span) }
  }

  @Test("without inputs give the bias", arguments: [WeightFormat.q4_1, .q6_k, .f32], [1, 5])
  func noInputs(format: WeightFormat, rows: Int) throws {
    let layer = try KernelFixtures.layer(format, bytes: [], rows: 3, columns: 0, .current)
    var y = [Float](repeating: -1, count: rows * 3)
    var span = y.mutableSpan
    let none: [Float] = []
    try layer.apply(none.span, rows: rows, into: &span, bias: [1, 2, 3])
    #expect(y == Array(repeatElement([1, 2, 3], count: rows).joined()))
  }

  @Test("of int8 without inputs give the bias, and say how they compute")
  func noInt8Inputs() throws {
    let none: [Float] = []
    let layer = try LinearLayerFactory.makeInt8(weights: none.span, rows: 3, columns: 0)
    var y: [Float] = [-1, -1, -1]
    var span = y.mutableSpan
    try layer.apply(none.span, rows: 1, into: &span, bias: [1, 2, 3])
    #expect(y == [1, 2, 3])
    #expect(layer.explanation.contains("all 0"))
  }
}
