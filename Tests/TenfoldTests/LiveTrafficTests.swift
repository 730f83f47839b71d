// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import TenfoldTesting
import Testing

@testable import Tenfold

@Suite("Work of a batch gives way to live requests")
struct LiveTrafficTests {
  private struct Broken: Error {}

  private func request(_ priority: RequestPriority) -> InferenceRequest {
    InferenceRequest(prompt: .text("q"), context: RequestContext(tenant: "a", priority: priority))
  }

  @Test("keeps the contract of a middleware, and nothing stays counted after it")
  func contract() async {
    let traffic = LiveTraffic()
    #expect(await InferenceMiddlewareContract.violations { traffic } == [])
    #expect(traffic.count == 0)
  }

  @Test("a live request stops what runs, and it begins again when that is answered")
  func givingWay() async throws {
    let traffic = LiveTraffic()
    let model = ScriptedLanguageModel { request in
      request.context.priority == .background ? .text("done") : .hang
    }
    let (runs, stops) = (WatchedState(0), WatchedState(0))
    try await withThrowingTaskGroup(of: String.self) { group in
      group.addTask {
        try await traffic.whileQuiet {
          let run = runs.withLock { count in
            count += 1
            return count
          }
          // The first run never ends by itself.
          if run == 1 {
            for await _ in AsyncStream<Void>.makeStream().stream {}
            stops.withLock { $0 += 1 }
            throw CancellationError()
          }
          return "run \(run)"
        }
      }
      await runs.wait { $0 == 1 }
      // Another of the batch disturbs nobody.
      _ = try await traffic.intercept(request(.background)) { try await model.generate($0) }.collect()
      var live: GenerationStream? = try await traffic.intercept(request(.normal)) {
        try await model.generate($0)
      }
      await stops.wait { $0 == 1 }
      #expect(traffic.count == 1 && runs.withLock { $0 } == 1)
      // The reader leaves, which ends the request.
      live = nil
      _ = live
      let value = try await group.next()
      #expect(value == "run 2")
    }
    #expect(traffic.count == 0)
  }

  @Test("after so many stops it is left in peace; errors of the work itself come through")
  func limits() async throws {
    let traffic = LiveTraffic(options: .init(maximumStops: 0))
    let model = ScriptedLanguageModel { _ in .hang }
    let value = try await traffic.whileQuiet { [self] in
      let live = try await traffic.intercept(request(.normal)) { try await model.generate($0) }
      try Task.checkCancellation()
      defer { withExtendedLifetime(live) {} }
      return traffic.count
    }
    #expect(value == 1)
    await #expect(throws: Broken.self) { try await LiveTraffic().whileQuiet { throw Broken() } }
  }

  @Test("who waits for quiet waits no longer than told")
  func waiting() async throws {
    let time = ManualTime()
    let traffic = LiveTraffic(
      options: .init(maximumStops: 0, maximumWait: .seconds(5), time: time.source)
    )
    let model = ScriptedLanguageModel { _ in .hang }
    let live = try await traffic.intercept(request(.critical)) { try await model.generate($0) }
    try await withThrowingTaskGroup(of: Int.self) { group in
      group.addTask { try await traffic.whileQuiet { traffic.count } }
      await time.waitForSleepers()
      time.advance(by: .seconds(5))
      let value = try await group.next()
      #expect(value == 1)
    }
    withExtendedLifetime(live) {}
    // Without a limit it waits until it is cancelled.
    let patient = LiveTraffic()
    let other = try await patient.intercept(request(.normal)) { try await model.generate($0) }
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await #expect(throws: CancellationError.self) { try await patient.whileQuiet { 1 } } }
      group.cancelAll()
    }
    withExtendedLifetime(other) {}
  }
}
