// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldKernels
import Testing

/// Outputs that never stand in memory as a whole, against the plain path.
@Suite("Fused outputs")
struct FusedOutputTests {
  static let formats: [WeightFormat] = [.int8, .q4_1, .f32]

  private struct Problem {
    let layer: any LinearLayer
    let activations: Activations
    let outputs: [Float]
    let bias: [Float]
  }

  /// A product with a bias, done the plain way; columns 2 j and 2 j + 1 have the same weights and bias, so all outputs tie.
  private static func problem(
    _ format: WeightFormat,
    rows: Int,
    outputs: Int,
    ties: Bool,
    poisoned: Int? = nil,
    set: InstructionSet
  ) throws -> Problem {
    let width = 64
    var generator = SeededGenerator(UInt64(rows * outputs))
    var weights = (0..<outputs * width).map { _ in generator.unit() }
    var bias = (0..<outputs).map { _ in generator.unit() }
    if ties {
      for column in 0..<outputs where column % 2 == 1 {
        for index in 0..<width { weights[column * width + index] = weights[(column - 1) * width + index] }
        bias[column] = bias[column - 1]
      }
    }
    var x = (0..<rows * width).map { _ in generator.unit() }
    if let poisoned { x[poisoned * width + 3] = .nan }
    let layer: any LinearLayer
    switch format {
    case .int8:
      layer = try LinearLayerFactory.makeInt8(
        weights: weights.span,
        rows: outputs,
        columns: width,
        instructionSet: set
      )
    case .f32:
      layer = try unsafe weights.withUnsafeBytes {
        try unsafe LinearLayerFactory.make(
          format: .f32,
          bytes: $0,
          rows: outputs,
          columns: width,
          instructionSet: set
        )
      }
    default:
      let bytes = try KernelFixtures.weights(format, rows: outputs, columns: width, seed: 3)
      layer = try KernelFixtures.layer(format, bytes: bytes, rows: outputs, columns: width, set)
    }
    let activations = try Activations(capacity: rows, width: width, instructionSet: set)
    try activations.quantize(x.span, rows: rows, width: width, as: layer.activationFormat)
    var plain = [Float](repeating: 0, count: rows * outputs)
    unsafe plain.withUnsafeMutableBufferPointer { buffer in
      unsafe bias.withUnsafeBufferPointer { bias in
        guard let base = buffer.baseAddress else { return }
        unsafe layer.multiply(
          activations,
          panels: 0..<layer.panelCount,
          into: base,
          outputStride: outputs,
          epilogue: Epilogue(bias: bias.baseAddress)
        )
      }
    }
    return Problem(layer: layer, activations: activations, outputs: plain, bias: bias)
  }

  @Test(
    "the top k are those of all outputs, ties by lower column",
    arguments: InstructionSet.available,
    formats
  )
  func topK(set: InstructionSet, format: WeightFormat) throws {
    for (rows, outputs) in [(1, 5), (1, 300), (5, 131), (9, 16)] {
      let problem = try Self.problem(format, rows: rows, outputs: outputs, ties: format != .q4_1, set: set)
      for (k, threads) in [(0, 1), (1, 1), (3, 2), (10, 3), (500, 2)] {
        let pool = WorkerPool(threads: threads)
        let found = try unsafe problem.bias.withUnsafeBufferPointer {
          try unsafe problem.layer.topK(
            k,
            of: problem.activations,
            epilogue: Epilogue(bias: $0.baseAddress),
            pool: pool
          )
        }
        #expect(found.count == rows)
        for row in 0..<rows {
          let scores = problem.outputs[row * outputs..<(row + 1) * outputs].enumerated()
          let expected = scores.sorted { ($1.element, $0.offset) < ($0.element, $1.offset) }.prefix(k)
          #expect(
            found[row].map(\.index) == expected.map(\.offset),
            "\(set) \(format) \(rows)x\(outputs) \(k)"
          )
          #expect(found[row].map(\.score) == expected.map(\.element))
        }
      }
    }
  }

  @Test("a row that is not finite has no largest output", arguments: InstructionSet.available, formats)
  func notFinite(set: InstructionSet, format: WeightFormat) throws {
    let problem = try Self.problem(format, rows: 3, outputs: 40, ties: false, poisoned: 1, set: set)
    let largest = try problem.layer.argmax(of: problem.activations, pool: WorkerPool(threads: 2))
    #expect(largest[1] == nil)
    #expect(largest[0] != nil && largest[2] != nil)
  }

  @Test(
    "quantised outputs have the bits of floats quantised later",
    arguments: InstructionSet.available,
    formats
  )
  func requantised(set: InstructionSet, format: WeightFormat) throws {
    let shapes: [(Int, Int, ActivationFormat)] = [
      (1, 32, .int8PerBlock32), (2, 160, .int8PerBlock32), (7, 288, .int8PerBlock32),
      (0, 64, .int8PerBlock32),
      (1, 256, .int8PerBlock256), (3, 768, .int8PerBlock256),
    ]
    for (rows, outputs, form) in shapes {
      let problem = try Self.problem(format, rows: rows, outputs: outputs, ties: false, set: set)
      let target = try Activations(capacity: rows, width: outputs, instructionSet: set)
      try unsafe problem.bias.withUnsafeBufferPointer {
        try unsafe problem.layer.multiply(
          problem.activations,
          quantisedInto: target,
          as: form,
          epilogue: Epilogue(bias: $0.baseAddress),
          pool: WorkerPool(threads: 3)
        )
      }
      let plain = try Activations(capacity: rows, width: outputs, instructionSet: set)
      try plain.quantize(problem.outputs.span, rows: rows, width: outputs, as: form)
      #expect(target.rows == rows && target.width == outputs && target.format == form)
      for row in 0..<rows {
        for column in 0..<outputs {
          let (a, b) = (row * target.valueStride + column, row * plain.valueStride + column)
          #expect(unsafe target.values[a] == plain.values[b])
        }
        for block in row * outputs / 32..<(row + 1) * outputs / 32 {
          #expect(unsafe target.scales[block] == plain.scales[block])
          if form == .int8PerBlock32 {
            #expect(unsafe target.scaledSums[block] == plain.scaledSums[block])
          } else {
            #expect(unsafe target.blockSums[block] == plain.blockSums[block])
            #expect(unsafe target.halfSums[2 * block] == plain.halfSums[2 * block])
            #expect(unsafe target.halfSums[2 * block + 1] == plain.halfSums[2 * block + 1])
          }
          #expect(unsafe target.negatedSums[2 * block] == plain.negatedSums[2 * block])
          #expect(unsafe target.negatedSums[2 * block + 1] == plain.negatedSums[2 * block + 1])
        }
      }
    }
  }

  @Test(
    "outputs quantised by row have the bits of floats quantised later",
    arguments: InstructionSet.available,
    formats
  )
  func requantisedRows(set: InstructionSet, format: WeightFormat) throws {
    for (rows, outputs) in [(1, 32), (2, 157), (7, 288), (0, 64), (3, 0)] {
      let problem = try Self.problem(
        format,
        rows: rows,
        outputs: outputs,
        ties: false,
        poisoned: rows > 2 ? 1 : nil,
        set: set
      )
      let target = try Activations(capacity: rows, width: outputs, instructionSet: set)
      // Twice: the second time the target holds what the first left.
      for _ in 0..<2 {
        try unsafe problem.bias.withUnsafeBufferPointer {
          try unsafe problem.layer.multiply(
            problem.activations,
            quantisedInto: target,
            as: .int8PerRow,
            epilogue: Epilogue(bias: $0.baseAddress),
            pool: WorkerPool(threads: 3)
          )
        }
      }
      let plain = try Activations(capacity: rows, width: outputs, instructionSet: set)
      try plain.quantize(problem.outputs.span, rows: rows, width: outputs, as: .int8PerRow)
      #expect(target.rows == rows && target.width == outputs && target.format == .int8PerRow)
      for row in 0..<rows {
        unsafe #expect(target.scales[row].bitPattern == plain.scales[row].bitPattern)
        unsafe #expect(target.negatedSums[row] == plain.negatedSums[row])
        for column in 0..<(outputs + 63) & ~63 {
          let at = row * target.valueStride + column
          #expect(unsafe target.values[at] == plain.values[at])
        }
      }
    }
  }

  @Test("integer sums of int8 layers fill the rows, and no other layer has them")
  func integerSums() throws {
    let pool = WorkerPool(threads: 2)
    for (rows, outputs) in [(1, 5), (4, 33), (2, 160), (0, 16)] {
      let problem = try Self.problem(.int8, rows: rows, outputs: outputs, ties: false, set: .current)
      let layer = try #require(problem.layer as? Int8LinearLayer)
      let sums = try AlignedBuffer<Int32>(count: rows * outputs + 1)
      unsafe sums.base[rows * outputs] = 77
      try layer.integerSums(problem.activations, into: sums, pool: pool)
      #expect(unsafe sums.base[rows * outputs] == 77)
      for row in 0..<rows {
        for column in 0..<outputs {
          let scale = unsafe problem.activations.scales[row] * layer.columnScale(column)
          let output = unsafe Float(sums.base[row * outputs + column]) * scale + problem.bias[column]
          #expect(abs(output - problem.outputs[row * outputs + column]) < 1e-5)
        }
      }
    }
    let other = try Self.problem(.q4_1, rows: 1, outputs: 16, ties: false, set: .current)
    let sums = try AlignedBuffer<Int32>(count: 16)
    #expect(throws: KernelError.self) {
      try other.layer.integerSums(other.activations, into: sums, pool: pool)
    }
    let wide = try Self.problem(.int8, rows: 2, outputs: 16, ties: false, set: .current)
    #expect(throws: KernelError.self) {
      try wide.layer.integerSums(wide.activations, into: sums, pool: pool)
    }
  }

  @Test("refuse what does not fit")
  func refusals() throws {
    let problem = try Self.problem(.f32, rows: 2, outputs: 40, ties: false, set: .current)
    let pool = WorkerPool(threads: 1)
    let target = try Activations(capacity: 2, width: 64)
    // 40 outputs are no whole blocks; a source can't be its own target; other widths are another layer's.
    #expect(throws: KernelError.self) {
      try problem.layer.multiply(problem.activations, quantisedInto: target, pool: pool)
    }
    #expect(throws: KernelError.self) {
      try problem.layer.multiply(problem.activations, quantisedInto: problem.activations, pool: pool)
    }
    #expect(throws: KernelError.self) {
      try problem.layer.multiply(problem.activations, quantisedInto: target, as: .float32, pool: pool)
    }
    try target.prepare(rows: 1, width: 32, format: .float32)
    #expect(throws: KernelError.self) { try problem.layer.topK(1, of: target, pool: pool) }
  }
}
