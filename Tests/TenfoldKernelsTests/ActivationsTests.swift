// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldKernels
import Testing

@Suite("Activations")
struct ActivationsTests {
  @Test(
    "round to nearest even with the largest magnitude at 127, the same on every backend",
    arguments: InstructionSet.available,
    [1, 15, 16, 31, 33, 64, 100]
  )
  func rows(set: InstructionSet, width: Int) throws {
    var generator = SeededGenerator(UInt64(width))
    let x = (0..<2 * width).map { _ in generator.unit() * 5 }
    let activations = try Activations(capacity: 2, width: width, instructionSet: set)
    try activations.quantize(x.span, rows: 2, width: width, as: .int8PerRow)
    for row in 0..<2 {
      let values = x[row * width..<(row + 1) * width]
      let largest = values.map(\.magnitude).max() ?? 0
      let codes = values.map { Int8(($0 * (127 / largest)).rounded(.toNearestOrEven)) }
      let stored = (0..<width).map { unsafe activations.values[row * activations.valueStride + $0] }
      #expect(stored == codes)
      #expect(unsafe activations.scales[row] == largest / 127)
      #expect(unsafe activations.negatedSums[row] == -codes.reduce(Int32(0)) { $0 + Int32($1) })
      for pad in width..<(width + 63) & ~63 {
        #expect(unsafe activations.values[row * activations.valueStride + pad] == 0)
      }
    }
  }

  @Test("per block carry scale and sums", arguments: InstructionSet.available)
  func blocks(set: InstructionSet) throws {
    var generator = SeededGenerator(4)
    let x = (0..<96).map { index in index < 32 ? 0 : generator.unit() }
    let activations = try Activations(capacity: 1, width: 96, instructionSet: set)
    try activations.quantize(x.span, rows: 1, width: 96, as: .int8PerBlock32)
    for block in 0..<3 {
      let values = x[block * 32..<(block + 1) * 32]
      let largest = values.map(\.magnitude).max() ?? 0
      let codes = values.map { largest == 0 ? 0 : Int8(($0 * (127 / largest)).rounded(.toNearestOrEven)) }
      let sum = codes.reduce(Int32(0)) { $0 + Int32($1) }
      let first = codes.prefix(16).reduce(Int32(0)) { $0 + Int32($1) }
      #expect((0..<32).map { unsafe activations.values[block * 32 + $0] } == codes)
      #expect(unsafe activations.scales[block] == largest / 127)
      #expect(unsafe activations.negatedSums[2 * block] == -sum)
      #expect(unsafe activations.negatedSums[2 * block + 1] == -first)
      #expect(unsafe activations.scaledSums[block] == largest / 127 * Float(sum))
    }
  }

  @Test("per block of 256 carry one scale and the sums of their parts", arguments: InstructionSet.available)
  func longBlocks(set: InstructionSet) throws {
    var generator = SeededGenerator(5)
    let x = (0..<768).map { index in index < 256 ? 0 : generator.unit() }
    let activations = try Activations(capacity: 1, width: 768, instructionSet: set)
    try activations.quantize(x.span, rows: 1, width: 768, as: .int8PerBlock256)
    for long in 0..<3 {
      let values = x[long * 256..<(long + 1) * 256]
      let largest = values.map(\.magnitude).max() ?? 0
      let codes = values.map { largest == 0 ? 0 : Int8(($0 * (127 / largest)).rounded(.toNearestOrEven)) }
      #expect((0..<256).map { unsafe activations.values[long * 256 + $0] } == codes)
      for part in 0..<8 {
        let block = long * 8 + part
        let halves = [0, 16].map { start in
          codes[part * 32 + start..<part * 32 + start + 16].reduce(0) { $0 + Int($1) }
        }
        #expect(unsafe activations.scales[block] == largest / 127)
        #expect(unsafe activations.halfSums[2 * block] == halves[0])
        #expect(unsafe activations.halfSums[2 * block + 1] == halves[1])
        #expect(unsafe activations.blockSums[block] == halves[0] + halves[1])
        #expect(unsafe activations.negatedSums[2 * block] == -halves[0] - halves[1])
        #expect(unsafe activations.negatedSums[2 * block + 1] == -halves[0])
      }
    }
    #expect(throws: KernelError.self) {
      try activations.quantize(x.span, rows: 1, width: 288, as: .int8PerBlock256)
    }
  }

  @Test("turn values that are not finite into a NaN scale", arguments: InstructionSet.available)
  func notFinite(set: InstructionSet) throws {
    for bad in [Float.nan, .infinity, -.infinity] {
      var x = [Float](repeating: 1, count: 64)
      x[40] = bad
      let activations = try Activations(capacity: 1, width: 64, instructionSet: set)
      try activations.quantize(x.span, rows: 1, width: 64, as: .int8PerBlock32)
      #expect(unsafe activations.scales[0] == 1.0 / 127)
      #expect(unsafe activations.scales[1].isNaN)
      let long = (0..<512).map { $0 == 300 ? bad : Float(1) }
      let longActivations = try Activations(capacity: 1, width: 512, instructionSet: set)
      try longActivations.quantize(long.span, rows: 1, width: 512, as: .int8PerBlock256)
      #expect(unsafe longActivations.scales[0] == 1.0 / 127 && longActivations.scales[7] == 1.0 / 127)
      #expect(unsafe longActivations.scales[8].isNaN && longActivations.scales[15].isNaN)
      try activations.quantize(x.span, rows: 1, width: 64, as: .int8PerRow)
      #expect(unsafe activations.scales[0].isNaN)
    }
  }

  @Test("refuse shapes that do not fit")
  func refusals() throws {
    #expect(throws: KernelError.self) { try Activations(capacity: -1, width: 4) }
    let activations = try Activations(capacity: 2, width: 64)
    let x = [Float](repeating: 0, count: 128)
    #expect(throws: KernelError.self) { try activations.quantize(x.span, rows: 3, width: 32, as: .float32) }
    #expect(throws: KernelError.self) { try activations.quantize(x.span, rows: 1, width: 65, as: .float32) }
    #expect(throws: KernelError.self) {
      try activations.quantize(x.span, rows: 1, width: 33, as: .int8PerBlock32)
    }
    #expect(throws: KernelError.self) {
      try activations.quantize([1].span, rows: 2, width: 64, as: .int8PerRow)
    }
  }

  @Test("without elements have nothing of the row before", arguments: InstructionSet.available)
  func noElements(set: InstructionSet) throws {
    let activations = try Activations(capacity: 1, width: 64, instructionSet: set)
    let row = (0..<64).map { Float($0 % 2) }
    try activations.quantize(row.span, rows: 1, width: 64, as: .int8PerRow)
    #expect(unsafe activations.negatedSums[0] != 0)
    let none: [Float] = []
    try activations.quantize(none.span, rows: 1, width: 0, as: .int8PerRow)
    #expect(unsafe activations.negatedSums[0] == 0 && activations.scales[0] == 0)
  }
}
