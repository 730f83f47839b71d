// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import TenfoldTesting
import Testing

@testable import Tenfold

/// The last reader of a flight, and whether it is about to leave.
private final class LastReader: Sendable {
  private let stream: Mutex<GenerationStream?>
  private let leaving = Atomic(false)

  init(_ stream: GenerationStream) { self.stream = Mutex(stream) }

  var isLeaving: Bool { leaving.load(ordering: .acquiring) }

  func leave() {
    leaving.store(true, ordering: .releasing)
    stream.withLock { $0 = nil }
  }
}

@Suite("A shared computation", .timeLimit(.minutes(10)))
struct CoalescedFlightTests {
  @Test("takes a reader in while the last one leaves, or says that it has ended", arguments: 1...4)
  func joining(seed: UInt64) async {
    var generator = SeededGenerator(seed: seed)
    let summary = GenerationSummary(
      reason: .endOfText,
      usage: TokenUsage(),
      provenance: Provenance(answeredBy: .model(id: "m", tier: .small))
    )
    for round in 0..<1000 {
      let (upstream, words) = GenerationStream.makeStream()
      let flight = CoalescedFlight(leader: RequestID(), deadline: nil) { _ in }
      flight.start(upstream)
      words.yield(.text("one"))
      let last = LastReader(flight.subscribe())
      let pause = Int.random(in: 0..<200, using: &generator)
      let joined = await withTaskGroup(of: GenerationStream?.self) { group in
        group.addTask {
          last.leave()
          return nil
        }
        group.addTask {
          var turns = 0
          // Not for ever, as a machine may run one after the other.
          while !last.isLeaving, turns < 10_000 { turns += 1 }
          for _ in 0..<pause { turns += last.isLeaving ? 1 : 0 }
          return flight.reserve() ? flight.subscribe() : nil
        }
        return await group.reduce(nil) { $0 ?? $1 }
      }
      guard let joined else { continue }
      words.yield(.finished(summary))
      words.finish()
      let text = try? await joined.collect().text
      #expect(text == "one", "seed \(seed), round \(round)")
    }
  }
}
