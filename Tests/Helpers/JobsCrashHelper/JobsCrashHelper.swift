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

/// The process that the crash tests kill or stop: `produce|work|hold|record FILE`. It writes a line for each thing that was
/// acknowledged.
@main
struct JobsCrashHelper {
  static func main() async throws {
    let arguments = CommandLine.arguments
    guard arguments.count == 3 else { return say("usage: JobsCrashHelper produce|work|hold|record FILE") }
    if arguments[1] == "record" { return try await record(arguments[2]) }
    let store = try await SQLiteJobStore.open(.file(arguments[2]))
    say("ready")
    switch arguments[1] {
    case "produce": try await produce(store)
    case "hold": try await hold(store)
    default: try await work(store)
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
              payload: key.map { Array($0.utf8) } ?? [],
              options: JobOptions(concurrencyKey: key, concurrencyLimit: 2)
            )
            if try await store.enqueue([job]) == [.inserted] { say("enqueued \(job.id)") }
          }
        }
      }
      try await group.waitForAll()
    }
  }

  /// Books calls and adds turns from several tasks, while another brings the totals up to date.
  private static func record(_ path: String) async throws {
    let database = try await SQLiteDatabase.open(.file(path), schemas: [SQLiteEventLog.schema])
    let log = SQLiteEventLog(database: database)
    let (ledger, memory) = (SQLiteUsageLedger(log: log), SQLiteConversationMemory(log: log))
    let call = ModelCall(model: "m", tier: .small, usage: TokenUsage(completionTokens: 1), cost: .zero)
    say("ready")
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<4 {
        group.addTask {
          let conversation = ConversationID("c\(number)")
          var turn = try await memory.turns(of: conversation, for: "a", last: .max, .newest).count
          while true {
            try await ledger.book([UsageEntry(tenant: "a", request: RequestID(), call: call)])
            say("booked")
            try await memory.append([ConversationTurn(.user("\(turn)"))], to: conversation, of: "a")
            say("turn \(number) \(turn)")
            turn += 1
          }
        }
      }
      group.addTask { while true { _ = try await ledger.totals(of: "a") } }
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

  private static func work(_ store: SQLiteJobStore) async throws {
    var settled: [JobSettlement] = []
    while true {
      let (outcomes, leases) = try await store.settleAndClaim(
        settled,
        ClaimRequest(maximum: 7, leaseFor: .seconds(3600))
      )
      for (settlement, outcome) in zip(settled, outcomes) where outcome == .applied {
        say("settled \(settlement.reference.id) \(settlement.reference.fence)")
      }
      for lease in leases {
        let key = lease.payload.isEmpty ? "-" : String(decoding: lease.payload, as: UTF8.self)
        say("started \(lease.reference.id) \(lease.reference.fence) \(key)")
      }
      settled = leases.map { JobSettlement($0.reference, .done(result: nil)) }
      if leases.isEmpty { try await Task.sleep(for: .milliseconds(1)) }
    }
  }

  /// One write per line, so that a kill can cut the last line only.
  private static func say(_ line: String) {
    let bytes = Array("\(line)\n".utf8)
    _ = unsafe bytes.withUnsafeBytes { unsafe write(1, $0.baseAddress, $0.count) }
  }
}
