// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Tenfold
import TenfoldTestSupport
import TenfoldTesting
import Testing

@Suite("A batch survives kill -9")
struct BatchCrashTests {
  @Test("killed at random points, it ends with each line once and in order", arguments: 1...6)
  func killing(seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    let directory = try TemporaryDirectory()
    let (input, output) = (directory.file("in.jsonl"), directory.file("out.jsonl"))
    // Enough lines for several transactions of taking in.
    let count = 1200
    let text = (0..<count).map { number in
      #"{"custom_id":"c\#(number)","body":{"messages":[{"role":"user","content":"q\#(number)"}]}}"#
    }
    try Data(text.joined(separator: "\n").utf8).write(to: URL(fileURLWithPath: input))
    let helper = try ChildProgram("BatchCrashHelper")
    var asked: [Substring: Int] = [:]
    var kills = 0
    for round in 0... {
      // Some kills come while lines are taken in, some while they are answered; the last run is left alone.
      let limit: (String, Int)
      switch round {
      case 0, 1: limit = ("microseconds", Int.random(in: 5000...200_000, using: &random))
      case 2...4: limit = ("asks", Int.random(in: 1...250, using: &random))
      default: limit = ("never", 0)
      }
      let arguments = [directory.file("jobs.db"), input, output, limit.0, "\(limit.1)"]
      let end = try await helper.run(arguments)
      for line in end.lines where line.hasPrefix("asked ") { asked[line.dropFirst(6), default: 0] += 1 }
      if !end.wasKilled {
        #expect(end.lines.last == "finished", "seed \(seed)")
        break
      }
      kills += 1
      // Not a part of the output is there before all of it is.
      if asked.count < count { #expect(!FileManager.default.fileExists(atPath: output), "seed \(seed)") }
    }
    #expect(kills >= 3, "seed \(seed)")
    let results = try String(contentsOfFile: output, encoding: .utf8).split(separator: "\n")
    #expect(results.count == count, "seed \(seed)")
    for (number, result) in results.enumerated() {
      #expect(result.contains(#""custom_id":"c\#(number)""#), "seed \(seed)")
      #expect(result.contains(#""content":"echo q\#(number)""#), "seed \(seed)")
    }
    // What had its result before a kill was not asked again: only the lines in flight were, and on a machine that is busy
    // with other things a few whose lease ran out.
    #expect(asked.count == count, "seed \(seed)")
    #expect(asked.values.reduce(0, +) <= count + kills * 8 + 30, "seed \(seed)")
  }
}
