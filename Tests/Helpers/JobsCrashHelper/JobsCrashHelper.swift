// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import TenfoldJobs
import TenfoldStorage

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// The process that the crash tests kill, stop or starve: `ROLE FILE`. It writes a line for each thing that was
/// acknowledged.
@main
struct JobsCrashHelper {
  static func main() async throws {
    let arguments = CommandLine.arguments
    guard arguments.count == 3 else { return say("usage: JobsCrashHelper ROLE FILE") }
    let path = arguments[2]
    switch arguments[1] {
    case "record": try await Recording.run(path)
    case "fill": try await Filling.run(path)
    case "flow": try await Flowing.run(isBounded: path == "bounded")
    default:
      let store = try await SQLiteJobStore.open(.file(path))
      say("ready")
      switch arguments[1] {
      case "produce": try await produce(store)
      case "hold": try await hold(store)
      case "work": try await Working.work(store)
      case "stay": try await Working.stay(store)
      case "die": try await Working.die(store)
      case "crowd": try await Working.crowd(store)
      case "share": try await Working.share(store)
      case "erase": say("erased \(try await store.erase("gone"))")
      default: say("there is no role \(arguments[1])")
      }
    }
  }

  private static func produce(_ store: SQLiteJobStore) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<8 {
        group.addTask {
          while true {
            // Some producers' jobs share a key, of which two may run at once.
            let key = number < 3 ? "key" : nil
            let job = NewJob(
              name: "crash",
              payload: Array("{\"key\":\"\(key ?? "-")\"}".utf8),
              options: JobOptions(concurrencyKey: key, concurrencyLimit: 2)
            )
            if try await store.enqueue([job]) == [.inserted] { say("enqueued \(job.id)") }
          }
        }
      }
      try await group.waitForAll()
    }
  }

  /// Claims a job, says so, and settles it when told to by a line on standard input.
  private static func hold(_ store: SQLiteJobStore) async throws {
    let leases = try await store.claim(ClaimRequest(maximum: 1, leaseFor: .milliseconds(200)))
    for lease in leases { say("started \(lease.reference.id) \(lease.reference.fence)") }
    _ = readLine()
    let settled = try await store.settle(leases.map { JobSettlement($0.reference, .done(result: [1])) })
    let extended = try await store.extend(leases.map(\.reference), by: .seconds(60), updates: [])
    say("outcome \(settled == [.fenced] && extended == [.lost] ? "refused" : "applied")")
  }
}

/// One write per line, so that a kill can cut the last line only.
func say(_ line: String) {
  let bytes = Array("\(line)\n".utf8)
  _ = unsafe bytes.withUnsafeBytes { unsafe write(1, $0.baseAddress, $0.count) }
}
