// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldKernels
import Testing

@Suite("Instruction sets")
struct InstructionSetTests {
  @Test("are listed best first and end with portable")
  func list() {
    print("kernels run here: \(InstructionSet.available.map(\.name).joined(separator: ", "))")
    print(
      "kernels missing here: \(InstructionSet.compiled.filter { !$0.isAvailable }.map { "\($0) (needs \($0.requirement))" })"
    )
    #expect(InstructionSet.available.last?.name == "portable")
    #expect(InstructionSet.available.contains(.current))
    #expect(InstructionSet.current.explanation.contains(InstructionSet.current.name))
  }

  @Test("can be forced by name")
  func forced() throws {
    for set in InstructionSet.available { #expect(try InstructionSet.detect(override: set.name) == set) }
    #expect(try InstructionSet.detect() == InstructionSet.available.first)
    #expect(try InstructionSet.detect(override: "auto") == InstructionSet.available.first)
  }

  @Test("that do not exist or cannot run are typed errors")
  func refused() {
    #expect(throws: KernelError.self) { try InstructionSet.detect(override: "avx9000") }
    for set in InstructionSet.compiled where !set.isAvailable {
      #expect(throws: KernelError.self) { try InstructionSet.detect(override: set.name) }
    }
  }

  @Test("that cannot run are refused by whatever would compute with them")
  func refusedEverywhere() throws {
    let (floats, codes): ([Float], [Int8]) = ([1, 2], [1, 2])
    for set in InstructionSet.compiled where !set.isAvailable {
      #expect(throws: KernelError.self) {
        try LinearLayerFactory.makeInt8(weights: floats.span, rows: 1, columns: 2, instructionSet: set)
      }
      #expect(throws: KernelError.self) { try Activations(capacity: 1, width: 2, instructionSet: set) }
      var scores: [Float] = [0]
      var span = scores.mutableSpan
      #expect(throws: KernelError.self) {
        try VectorScan.dot(
          query: floats.span,
          rows: floats.span,
          dimension: 2,
          into: &span,
          instructionSet: set
        )
      }
      #expect(throws: KernelError.self) {
        try VectorScan.dot(
          query: codes.span,
          queryScale: 1,
          rows: codes.span,
          scales: [1].span,
          dimension: 2,
          into: &span,
          instructionSet: set
        )
      }
    }
  }
}
