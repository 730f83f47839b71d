// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldJobs

/// Producers that never rest before one consumer, and what that takes of memory.
enum Flowing {
  private struct Load: DurableJob {
    static let name: JobName = "load"
    var text = String(repeating: "x", count: 32_000)
  }

  /// Says how many jobs waited at most, and by how many MiB the process grew after the first hundred.
  static func run(isBounded: Bool) async throws {
    let store = InMemoryJobStore()
    let queue = JobQueue(store: store, maximumDepth: isBounded ? 50 : nil, whenFull: .wait)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<8 {
        group.addTask {
          let options = JobOptions(resultRetention: .zero)
          while !Task.isCancelled {
            _ = try? await queue.enqueue(Load(), options: options)
            await Task.yield()
          }
        }
      }
      var before = 0
      var deepest = 0
      // Without a bound memory grows with each of them, so fewer show it.
      for number in 0..<(isBounded ? 4_000 : 500) {
        var leases: [JobLease] = []
        while leases.isEmpty {
          leases = try await store.claim(ClaimRequest(maximum: 1))
          await Task.yield()
        }
        _ = try await store.settle(leases.map { JobSettlement($0.reference, .done(result: nil)) })
        if number % 100 == 0 { deepest = max(deepest, try await store.observe(.init()).ready) }
        if number == 100 { before = peakInBytes }
      }
      say("waited \(deepest)")
      say("grew \((peakInBytes - before) >> 20)")
      group.cancelAll()
    }
  }

  /// The most memory that this process has held; what Linux tells through `getrusage` includes the process it came from.
  private static var peakInBytes: Int {
    #if os(Linux)
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
    return (line.flatMap { Int($0.filter(\.isNumber)) } ?? 0) << 10
    #else
    var usage = rusage()
    unsafe getrusage(RUSAGE_SELF, &usage)
    return usage.ru_maxrss
    #endif
  }
}
