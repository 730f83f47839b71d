// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import TenfoldStorage

/// Books calls and adds turns from several tasks, while another brings the totals up to date.
enum Recording {
  static func run(_ path: String) async throws {
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
}
