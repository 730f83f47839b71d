// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import CTenfoldKernels
import TenfoldKernels
import Testing

@testable import TenfoldInference

@Suite("BERT encoder")
struct BERTEncoderTests {
  private static func text(_ length: Int, seed: Int = 0) -> [Int32] {
    (0..<length).map { Int32(($0 * 37 + 11 * seed + 5) % 60) }
  }

  private static func cosine(_ a: ArraySlice<Float>, _ b: [Double]) -> Double {
    zip(a, b).reduce(0) { $0 + Double($1.0) * $1.1 }
  }

  @Test("the float encoder agrees with the textbook's loops", arguments: [1, 2, 3, 4, 5, 15, 16, 17, 40])
  func float(length: Int) throws {
    let weights = SyntheticEncoder(seed: 1)
    let encoder = try BERTEncoder(weights: weights, options: .init(precision: .float32, headCount: 3))
    let vector = try encoder.embed([Self.text(length)], threads: 1)
    let expected = weights.oracle(Self.text(length))
    #expect(zip(vector, expected).allSatisfy { abs(Double($0) - $1) < 2e-5 })
  }

  @Test("odd widths work", arguments: [(30, 3, 50), (7, 1, 9), (36, 2, 33)])
  func odd(width: Int, heads: Int, feedForward: Int) throws {
    let weights = SyntheticEncoder(seed: 2, width: width, heads: heads, feedForward: feedForward)
    for precision in [EncoderPrecision.float32, .int8, .int8Reduced] {
      let encoder = try BERTEncoder(weights: weights, options: .init(precision: precision, headCount: heads))
      let vector = try encoder.embed([Self.text(9)], threads: 1)
      #expect(Self.cosine(vector[...], weights.oracle(Self.text(9))) > 0.999)
    }
  }

  @Test("the int8 encoder stays near the float one")
  func int8() throws {
    let weights = SyntheticEncoder(seed: 3)
    let encoder = try BERTEncoder(weights: weights, options: .init(headCount: 3))
    let vector = try encoder.embed([Self.text(20)], threads: 1)
    #expect(Self.cosine(vector[...], weights.oracle(Self.text(20))) > 0.9995)
  }

  @Test(
    "a vector has the same bits alone and among others, on one thread and on two",
    arguments: [EncoderPrecision.float32, .int8, .int8Reduced]
  )
  func ragged(precision: EncoderPrecision) throws {
    let encoder = try BERTEncoder(
      weights: SyntheticEncoder(seed: 4),
      options: .init(precision: precision, headCount: 3)
    )
    let texts = [3, 17, 1, 40, 8, 2, 33].enumerated().map { Self.text($1, seed: $0) }
    let together = try encoder.embed(texts, threads: 2)
    for (index, text) in texts.enumerated() {
      let alone = try encoder.embed([text], threads: 1)
      #expect(alone == Array(together[index * 48..<(index + 1) * 48]))
    }
  }

  @Test("no texts give no vectors")
  func empty() throws {
    let encoder = try BERTEncoder(weights: SyntheticEncoder(seed: 5), options: .init(headCount: 3))
    #expect(try encoder.embed([]).isEmpty)
  }

  @Test("sequences that can't be computed are refused")
  func badSequences() throws {
    let encoder = try BERTEncoder(weights: SyntheticEncoder(seed: 6), options: .init(headCount: 3))
    for (text, code): ([Int32], ModelError.Code) in [
      ([], .invalidOption), ([60], .invalidOption), ([-1], .invalidOption), (Self.text(41), .promptTooLong),
    ] {
      let error = #expect(throws: ModelError.self) { try encoder.embed([text]) }
      #expect(error?.code == code)
    }
  }

  @Test("damaged tensors are refused by name", arguments: [Float.nan, .infinity])
  func damaged(value: Float) throws {
    var weights = SyntheticEncoder(seed: 7)
    let name = BERTTensor.output(1) + ".weight"
    weights.tensors[name]?.values[5] = value
    let error = #expect(throws: ModelError.self) {
      try BERTEncoder(weights: weights, options: .init(headCount: 3))
    }
    #expect(error?.code == .invalidTensor)
    #expect(error?.message.contains(name) == true)
  }

  @Test("wrong shapes and missing tensors are refused by name")
  func shapes() throws {
    let original = SyntheticEncoder(seed: 8)
    for name in original.tensors.keys.sorted() where !name.hasSuffix("layer.1.intermediate.dense.weight") {
      var missing = original
      missing.tensors[name] = nil
      let error = #expect(throws: ModelError.self) {
        try BERTEncoder(weights: missing, options: .init(headCount: 3))
      }
      #expect(error?.message.contains(name) == true)
      var wrong = original
      wrong.tensors[name]?.shape.append(1)
      let second = #expect(throws: ModelError.self) {
        try BERTEncoder(weights: wrong, options: .init(headCount: 3))
      }
      #expect(second?.code == .invalidTensor)
    }
    let heads = #expect(throws: ModelError.self) {
      try BERTEncoder(weights: original, options: .init(headCount: 5))
    }
    #expect(heads?.code == .invalidOption)
  }

  @Test(
    "copies of a large column bring the weights' product nearer",
    arguments: 0..<4,
    [Int8Range.full, .reduced]
  )
  func split(seed: Int, range: Int8Range) throws {
    // One column is fifty times larger than the rest; without copies its step would swallow them.
    let (rows, columns) = (64, 64)
    var state = UInt64(seed + 1)
    func number() -> Float {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Float(Int64(bitPattern: state) >> 40) / Float(1 << 23)
    }
    let weights = ProjectionWeights(
      matrix: (0..<rows * columns).map { _ in number() },
      bias: [Float](repeating: 0, count: rows),
      rows: rows,
      columns: columns
    )
    var x = (0..<columns).map { _ in number() }
    x[7] = 50
    func error(_ headroom: Float, hasZeroPoint: Bool) -> Float {
      let split = SplitColumns(
        magnitudes: x.map(abs),
        weights: weights,
        headroom: headroom,
        smoothing: 0.25,
        hasZeroPoint: hasZeroPoint
      )
      let quantized = split.quantize(weights, range: range)
      let (codes, scales) = (quantized.codes, quantized.scales)
      #expect(split.total * rows == codes.count)
      #expect(codes.allSatisfy { Int($0).magnitude <= range.largestCode })
      for row in 0..<rows {
        // What a zero point of 1 adds.
        let line = codes[row * split.total..<(row + 1) * split.total].map(Int.init)
        #expect(quantized.sums[row] == Float(line.reduce(0, +)) * scales[row])
      }
      var squares: Float = 0
      for row in 0..<rows {
        var sum: Float = 0
        for column in 0..<split.factors.count {
          let source = column < columns ? column : Int(split.sources[column - columns])
          sum += x[source] * split.factors[column] * Float(codes[row * split.total + column]) * scales[row]
        }
        let exact = (0..<columns).reduce(Float(0)) { $0 + x[$1] * weights.matrix[row * columns + $1] }
        squares += (sum - exact) * (sum - exact)
      }
      return squares
    }
    for hasZeroPoint in [false, true] {
      #expect(error(1, hasZeroPoint: hasZeroPoint) < error(.infinity, hasZeroPoint: hasZeroPoint))
    }
  }

  @Test("zero points of one-sided rows come off the residual", arguments: [Int8Range.full, .reduced])
  func zeroPoints(range: Int8Range) throws {
    let (rows, columns, outputs) = (5, 64, 48)
    var state: UInt64 = 23
    func number() -> Float {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Float(Int64(bitPattern: state) >> 40) / Float(1 << 23)
    }
    let weights = ProjectionWeights(
      // All on one side, so that a zero point not taken off would drown the rest.
      matrix: (0..<outputs * columns).map { _ in 0.2 + abs(number()) },
      bias: (0..<outputs).map { _ in number() },
      rows: outputs,
      columns: columns
    )
    let inputs = (0..<rows * columns).map { _ in max(-0.1, 3 * number()) }
    let residual = (0..<rows * outputs).map { _ in number() }
    let projection = try EncoderProjection(
      weights,
      magnitudes: [Float](repeating: 3, count: columns),
      place: .output,
      range: range,
      instructionSet: .current
    )
    let activations = try Activations(capacity: rows, width: projection.inputWidth)
    try projection.prepare(activations, rows: rows)
    let output = try AlignedBuffer<Float>(count: rows * outputs)
    for (index, value) in residual.enumerated() { unsafe output.base[index] = value }
    try unsafe inputs.withUnsafeBufferPointer { inputs in
      unsafe projection.fill(
        activations,
        rows: 0..<rows,
        from: try #require(inputs.baseAddress),
        stride: columns,
        correcting: output.base,
        kernels: tenfold_encoder_kernels_named(InstructionSet.current.name).pointee
      )
    }
    unsafe projection.layer.multiply(
      activations,
      into: output.base,
      outputStride: outputs,
      epilogue: Epilogue(bias: projection.bias.base, residual: output.base, residualStride: outputs),
      pool: WorkerPool(threads: 1)
    )
    for row in 0..<rows {
      for index in 0..<outputs {
        let exact = (0..<columns).reduce(weights.bias[index] + residual[row * outputs + index]) {
          $0 + inputs[row * columns + $1] * weights.matrix[index * columns + $1]
        }
        // Codes of inputs and weights are off by half a step at most, 3 / 252 and 1.2 / 127 or / 63 of them.
        #expect(unsafe abs(output.base[row * outputs + index] - exact) < 0.6, "\(row), \(index)")
      }
    }
  }
}
