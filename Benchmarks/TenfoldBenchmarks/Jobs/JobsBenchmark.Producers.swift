// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldJobs
import TenfoldStorage

extension JobsBenchmark {
  /// Producers that each wait for their own job to be on the disk, beside one job in a transaction through the C API.
  func producers(_ counts: [Int], _ report: inout BenchmarkReport) async throws {
    let meter = NoiseMeter()
    var ceilings: [Double] = []
    var ratios: [Int: [Double]] = [:]
    for repetition in 0...reps {
      for count in counts {
        // Neighbours in time are compared, as the disk changes its mind.
        let ceiling = try await raw(.enqueue, 1, 300, isFull: true)
        let rate = try await rate(count)
        guard repetition > 0 else { continue }
        ceilings.append(ceiling)
        ratios[count, default: []].append(rate / ceiling)
      }
    }
    let noise = meter.othersCPUs()
    report.add("producers-raw", "rate", "jobs/s", .init(values: ceilings.sorted(), othersCPUs: noise))
    for count in counts {
      let sample = BenchmarkSample(values: ratios[count, default: []].sorted(), othersCPUs: noise)
      let target: BenchmarkTarget? = count == 1 ? .atLeast(0.9) : count == 256 ? .atLeast(6) : nil
      report.add("producers-\(count)", "ratio", "x raw", sample, target: target)
    }
  }

  private func rate(_ count: Int) async throws -> Double {
    let path = folder.file()
    defer { folder.remove(path) }
    let store = try await SQLiteJobStore.open(.file(path))
    let each = max(40, 300 / count)
    let start = ContinuousClock.now
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<count {
        group.addTask { for _ in 0..<each { _ = try await store.enqueue(new(1)) } }
      }
      try await group.waitForAll()
    }
    let rate = Double(count * each) / ((ContinuousClock.now - start) / .seconds(1))
    await store.close()
    return rate
  }
}
