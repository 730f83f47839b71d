// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Tenfold
import Testing

@testable import TenfoldCommand

@Suite("JobText")
struct JobTextTests {
  @Test(
    "any fraction can be shown",
    arguments: [
      (0.567, "56 %"), (1e300, "100 %"), (.infinity, "100 %"), (-.infinity, "0 %"), (-3, "0 %"), (.nan, "?"),
    ] as [(Double, String)]
  )
  func fractions(fraction: Double, text: String) {
    #expect(JobText.percent(fraction) == text)
  }

  /// Clears a terminal, in both ways to write it, and goes to another line.
  static let hostile = "a\u{1B}[2Jb\u{9B}2Jc\u{7F}\r\nd\u{85}é"

  private func job(_ text: String) -> JobSnapshot {
    JobSnapshot(
      id: RawJobID(high: 1, low: 7),
      name: JobName(text),
      state: .dead,
      attempts: 1,
      crashCount: 0,
      fence: 1,
      message: text,
      result: Array(text.utf8),
      errors: [text],
      payload: Array(text.utf8),
      queue: QueueName(text),
      tenant: TenantID(text)
    )
  }

  @Test("nothing that is stored in a job reaches the terminal as a command")
  func hostileText() {
    func controls(_ text: String) -> Int {
      text.unicodeScalars.count { $0.properties.generalCategory == .control }
    }
    let line = JobText.line(job(Self.hostile))
    #expect(controls(line) == 0)
    #expect(line.contains("a [2Jb 2Jc   d é"))
    let description = JobText.description(job(Self.hostile))
    // The ends of the lines are its own: as many as without such text.
    #expect(controls(description) == controls(JobText.description(job("x"))))
    for field in ["name      ", "queue     ", "tenant    ", "payload   ", "result    ", "error 1   "] {
      #expect(description.contains("\n\(field)a [2Jb 2Jc   d é"), "\(field)")
    }
  }
}
