// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldCore
import TenfoldStorage
import TenfoldTestSupport
import Testing

@Suite("Usage and turns that were acknowledged survive kill -9 and count once")
struct RecordsCrashTests {
  // One after the other: many at once take all processors from whoever is to kill them.
  @Test("killed at random points", .serialized, arguments: 1...10)
  func killing(seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    let directory = try TemporaryDirectory()
    let path = directory.file("records.db")
    let helper = try ChildProgram("JobsCrashHelper")
    var booked = 0
    var turns: [Int: Int] = [:]
    for round in 0..<2 {
      let note: Comment = "seed \(seed), round \(round)"
      let process = try helper.start(["record", path])
      await process.reaches(lines: Int.random(in: 2...80, using: &random))
      process.send(signal: SIGKILL)
      let end = await process.ended()
      #expect(end.wasKilled, note)
      for line in end.lines.map({ $0.split(separator: " ") }) {
        if line.first == "booked" { booked += 1 }
        if line.first == "turn", line.count == 3 { turns[try #require(Int(line[1])), default: 0] += 1 }
      }
      let database = try await SQLiteDatabase.open(.file(path), schemas: [SQLiteEventLog.schema])
      let log = SQLiteEventLog(database: database)
      let calls = try await SQLiteUsageLedger(log: log).totals(of: "a")["m"]?.calls ?? 0
      let events = try await log.events(after: 0, limit: .max)
      #expect(calls == events.count { $0.kind == "usage.v1" }, note)
      // What each of four tasks had under way may be there too.
      #expect((booked...booked + 4).contains(calls), note)
      booked = calls
      let memory = SQLiteConversationMemory(log: log)
      for number in 0..<4 {
        let read = try await memory.turns(of: ConversationID("c\(number)"), for: "a", last: .max, .newest)
        let acknowledged = turns[number] ?? 0
        #expect((acknowledged...acknowledged + 1).contains(read.count), note)
        #expect(read.map(\.message.content) == (0..<read.count).map(String.init), note)
        turns[number] = read.count
      }
      await database.close()
    }
  }
}
