// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import TenfoldJobs

@Suite("Scheduler and leases under simulated workers, messages and clocks")
struct JobSimulationTests {
  #if DEBUG
  private static let seedsEach: UInt64 = 5
  #else
  /// Ten thousand in all.
  private static let seedsEach: UInt64 = 500
  #endif

  @Test("no history breaks a promise, and every job comes to its end", arguments: 0..<20)
  func histories(block: UInt64) throws {
    for seed in block * Self.seedsEach..<(block + 1) * Self.seedsEach {
      var simulation = JobSimulation(seed: seed)
      let violations = try simulation.violations(steps: 150)
      #expect(violations == [], "seed \(seed)")
    }
  }

  @Test("the same seed gives the same history")
  func determinism() throws {
    var (first, second) = (JobSimulation(seed: 7), JobSimulation(seed: 7))
    #expect(try first.violations(steps: 300) == [] && second.violations(steps: 300) == [])
    #expect(first.summary == second.summary)
    #expect(first.summary.jobs > 50 && first.summary.runs > 20 && first.summary.ends > 20)
  }
}
