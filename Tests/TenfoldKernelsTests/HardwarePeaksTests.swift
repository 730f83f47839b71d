// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import CTenfoldKernels
import TenfoldKernels
import Testing

@Suite("HardwarePeaks")
struct HardwarePeaksTests {
  @Test("every set but portable has figures, and all are positive", arguments: InstructionSet.available)
  func measures(set: InstructionSet) throws {
    let peaks = try HardwarePeaks.measure(instructionSet: set, threads: 2, blockBytes: 1 << 20)
    #expect(peaks.instructionSet == set.name && peaks.threads == 2)
    #expect((peaks.int8OperationsPerSecond == nil) == (set.name == "portable"))
    #expect((peaks.float32OperationsPerSecond == nil) == (set.name == "portable"))
    #expect(peaks.int8OperationsPerSecond ?? 1 > 0 && peaks.float32OperationsPerSecond ?? 1 > 0)
    #expect(peaks.memoryReadBytesPerSecond > 0)
  }

  @Test(
    "a set that this CPU lacks is an error",
    arguments: InstructionSet.compiled.filter { !$0.isAvailable }
  )
  func refuses(set: InstructionSet) {
    #expect(throws: KernelError.self) { try HardwarePeaks.measure(instructionSet: set) }
  }

  @Test("every byte of a whole block counts in the value read", arguments: [0, 255, 256, 1_024])
  func reads(count: Int) {
    var bytes = [UInt8](repeating: 0, count: count)
    let whole = count / 256 * 256
    #expect(unsafe tenfold_read_memory(bytes, count) == 0)
    for index in [0, 63, 64, 200, 255, 700] where index < whole {
      bytes[index] = 1
      #expect(unsafe tenfold_read_memory(bytes, count) != 0)
      bytes[index] = 0
    }
  }

  @Test("the loops say how many operations they did")
  func counts() throws {
    for set in InstructionSet.available where set.name != "portable" {
      guard let loops = unsafe tenfold_peaks_named(set.name)?.pointee else {
        Issue.record("\(set) has no loops")
        continue
      }
      let int8 = [0, 1, 10].map { unsafe loops.int8($0) }
      let floats = [0, 1, 10].map { unsafe loops.floats($0) }
      #expect(int8[0] == 0 && int8[1] > 0 && int8[2] == 10 * int8[1])
      #expect(floats[0] == 0 && floats[1] > 0 && floats[2] == 10 * floats[1])
    }
    let hasPortable = unsafe tenfold_peaks_named("portable") != nil
    let hasUnknown = unsafe tenfold_peaks_named("") != nil
    #expect(!hasPortable && !hasUnknown)
  }
}
