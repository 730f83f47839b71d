// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldKernels
import Testing

@testable import TenfoldInference

@Suite("Compute notice")
struct ComputeNoticeTests {
  @Test("names the kernels and why, the threads, and what limits them")
  func text() {
    let text = ComputeNotice.text(kernels: InstructionSet.current.explanation, budget: .current)
    #expect(text.contains(InstructionSet.current.name))
    #expect(text.contains("\(CPUBudget.current.threads) threads") && text.contains("quota"))
    #expect(!text.contains("\n"))
  }
}
