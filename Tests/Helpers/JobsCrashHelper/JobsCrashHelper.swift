// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldJobs
import TenfoldStorage

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// The process that the crash tests kill: `produce|work FILE`. It writes a line for each thing that was acknowledged.
@main
struct JobsCrashHelper {
  static func main() async throws {
    let arguments = CommandLine.arguments
    guard arguments.count == 3 else { return say("usage: JobsCrashHelper produce|work FILE") }
    let store = try await SQLiteJobStore.open(.file(arguments[2]))
    say("ready")
    if arguments[1] == "produce" {
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<8 {
          group.addTask {
            while true {
              let job = NewJob(name: "crash", payload: [1, 2, 3])
              if try await store.enqueue([job]) == [.inserted] { say("enqueued \(job.id)") }
            }
          }
        }
        try await group.waitForAll()
      }
    } else {
      var settled: [JobSettlement] = []
      while true {
        let (outcomes, leases) = try await store.settleAndClaim(
          settled,
          ClaimRequest(maximum: 7, leaseFor: .seconds(3600))
        )
        for (settlement, outcome) in zip(settled, outcomes) where outcome == .applied {
          say("settled \(settlement.reference.id) \(settlement.reference.fence)")
        }
        for lease in leases { say("started \(lease.reference.id) \(lease.reference.fence)") }
        settled = leases.map { JobSettlement($0.reference, .done(result: nil)) }
        if leases.isEmpty { try await Task.sleep(for: .milliseconds(1)) }
      }
    }
  }

  /// One write per line, so that a kill can cut the last line only.
  private static func say(_ line: String) {
    let bytes = Array("\(line)\n".utf8)
    _ = unsafe bytes.withUnsafeBytes { unsafe write(1, $0.baseAddress, $0.count) }
  }
}
