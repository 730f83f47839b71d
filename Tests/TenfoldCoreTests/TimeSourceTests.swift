// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import Testing

@Suite("The system's time", .timeLimit(.minutes(10)))
struct TimeSourceTests {
  @Test(
    "waits for what never comes until it is cancelled",
    arguments: [.seconds(Int64.max), .seconds(Int64.max / 2), .seconds(400 * 86_400)] as [Duration]
  )
  func never(delay: Duration) async {
    let time = TimeSource.system
    let waiting = Task { try await time.sleep(until: time.now + delay) }
    await Task.yield()
    waiting.cancel()
    await #expect(throws: CancellationError.self) { try await waiting.value }
  }

  @Test(
    "doesn't wait for what is over",
    arguments: [.zero, .seconds(-1), .seconds(Int64.min + 1)] as [Duration]
  )
  func over(delay: Duration) async throws {
    let time = TimeSource.system
    try await time.sleep(until: time.now + delay)
  }
}
