// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldJobs
import TenfoldStorage

extension JobsBenchmark {
  /// How long producers wait for the disk, job by job, while jobs are handed out and ended beside them.
  ///
  /// Each job is in the file some commits later, so this has the moving of the log in it many times.
  func tail(_ counts: [Int], _ report: inout BenchmarkReport) async throws {
    for count in counts {
      let meter = NoiseMeter()
      var (waits, worst) = ([Double](), [Double]())
      for repetition in 0...reps {
        let values = try await self.waits(count)
        // The first repetition warms up and is dropped.
        guard repetition > 0 else { continue }
        waits += values
        worst.append(values.max() ?? 0)
      }
      let noise = meter.othersCPUs()
      report.add("tail-\(count)", "wait", "ms", .init(values: waits.sorted(), othersCPUs: noise))
      report.add("tail-\(count)", "longest", "ms", .init(values: worst.sorted(), othersCPUs: noise))
    }
  }

  /// Milliseconds of each enqueue.
  private func waits(_ count: Int) async throws -> [Double] {
    let path = folder.file()
    defer { folder.remove(path) }
    let store = try await SQLiteJobStore.open(.file(path))
    let each = max(40, 3_000 / count)
    let waits = try await withThrowingTaskGroup(of: [Double].self) { group in
      group.addTask {
        var ends: [JobSettlement] = []
        while !Task.isCancelled {
          let leases = try await store.settleAndClaim(ends, ClaimRequest(maximum: 50)).leases
          ends = leases.map { JobSettlement($0.reference, .done(result: nil)) }
          if leases.isEmpty { try? await Task.sleep(for: .milliseconds(1)) }
        }
        return []
      }
      for _ in 0..<count {
        group.addTask {
          var waits: [Double] = []
          for _ in 0..<each {
            let begin = ContinuousClock.now
            _ = try await store.enqueue(new(1))
            waits.append((ContinuousClock.now - begin) / .milliseconds(1))
          }
          return waits
        }
      }
      var waits: [Double] = []
      for _ in 0..<count { waits += try await group.next() ?? [] }
      group.cancelAll()
      return waits
    }
    await store.close()
    return waits
  }
}
