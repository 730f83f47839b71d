// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import TenfoldCore
import TenfoldRouting
import TenfoldTesting
import Testing

@Suite("Hedging decides")
struct HedgingStateMachineTests {
  @Test("by the latencies it saw, once it saw enough, and not below the least delay")
  func delay() {
    var machine = HedgingStateMachine(HedgingPolicy(share: 0.1, minimumDelay: .milliseconds(20)))
    for index in 1..<64 {
      machine.observe(.milliseconds(index))
      #expect(machine.delay == nil)
    }
    for index in 64...1000 { machine.observe(.milliseconds(index % 100)) }
    let delay = machine.delay ?? .zero
    #expect(delay >= .milliseconds(85) && delay <= .milliseconds(95), "\(delay)")
    for _ in 0..<600 { machine.observe(.milliseconds(1)) }
    #expect(machine.delay == .milliseconds(20))
  }

  @Test("never more than its share of the requests", arguments: [0.0, 0.01, 0.05, 0.5, 7, .nan])
  func budget(share: Double) {
    let policy = HedgingPolicy(share: share)
    #expect((0...0.5).contains(policy.share))
    var machine = HedgingStateMachine(policy)
    for _ in 0..<5000 {
      machine.recordRequest()
      while machine.mayHedge() {}
    }
    #expect(Double(machine.sent) <= 5000 * policy.share + 11)
    #expect(policy.share > 0 || machine.sent == 0)
  }

  @Test("so that a tail of one replica's own is cut for few extra requests", arguments: 1...20)
  func tail(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    // One reply in thirty takes twenty times as long.
    func draw() -> Double {
      let usual = Double.random(in: 0.05...0.15, using: &generator)
      return Int.random(in: 0..<30, using: &generator) == 0 ? usual * 20 : usual
    }
    var machine = HedgingStateMachine(HedgingPolicy())
    var (plain, hedged): ([Double], [Double]) = ([], [])
    for _ in 0..<4000 {
      machine.recordRequest()
      let first = draw()
      plain.append(first)
      guard let delay = machine.delay?.inSeconds, first > delay, machine.mayHedge() else {
        hedged.append(first)
        machine.observe(.seconds(first))
        continue
      }
      let other = delay + draw()
      hedged.append(min(first, other))
      machine.observe(.seconds(min(first, other)))
    }
    func p99(_ values: [Double]) -> Double { values.sorted()[values.count * 99 / 100] }
    #expect(p99(hedged) < p99(plain) / 3, "seed \(seed): \(p99(plain)) to \(p99(hedged))")
    #expect(machine.sent <= 4000 / 20 + 11, "seed \(seed)")
  }
}

@Suite("A replicated model that hedges")
struct HedgedModelTests {
  private struct WrongRequest: Error, RequestFault {
    var isRequestsFault: Bool { true }
  }

  /// Two replicas, one of which does with the question "slow" whatever it is told, and enough answered requests to know
  /// how long one takes: no time at all, by this clock.
  private func warm(
    _ time: ManualTime,
    seed: UInt64,
    script: @escaping @Sendable (InferenceRequest) async throws -> ScriptedLanguageModel.Script
  ) async throws -> (ReplicatedModel, ScriptedLanguageModel) {
    let slow = scripted("m") { $0.question == "q" ? .text("up") : try await script($0) }
    let model = try ReplicatedModel(
      replicas: [slow, scripted("m") { _ in .text("other") }],
      options: .init(hedging: HedgingPolicy(share: 0.5), seed: seed),
      time: time.source
    )
    for _ in 0..<64 { _ = try await model.respond(to: InferenceRequest("q", tenant: "t")) }
    return (model, slow)
  }

  @Test("asks another replica after the usual time, reads whoever begins first and stops the other")
  func overtakes() async throws {
    var overtaken = 0
    // Which replica is asked first is drawn.
    for seed in UInt64(0)..<10 {
      let time = ManualTime()
      let (model, slow) = try await warm(time, seed: seed) { _ in .hang }
      let answer = try await withThrowingTaskGroup(of: String?.self) { group in
        group.addTask { try await model.respond(to: InferenceRequest("slow", tenant: "t")).text }
        group.addTask {
          await slow.waitForOpenStreams(1)
          guard !Task.isCancelled else { return nil }
          await time.waitForSleepers()
          time.advance(by: .milliseconds(9))
          #expect(model.hedges.sent == 0)
          time.advance(by: .milliseconds(1))
          return nil
        }
        var answer: String?
        while let text = try await group.next() {
          guard let text else { continue }
          answer = text
          group.cancelAll()
        }
        return answer
      }
      #expect(answer == "other", "seed \(seed)")
      // The slow one is stopped, and nothing is left in flight.
      await slow.waitForOpenStreams(0)
      let counts = model.hedges
      #expect(counts.sent == counts.won && counts.sent <= 1, "seed \(seed)")
      overtaken += counts.won
      #expect(model.inFlight == [0, 0], "seed \(seed)")
    }
    #expect(overtaken > 0)
  }

  @Test("fails over as without hedging, and passes a wrong request's error on at once")
  func failures() async throws {
    for seed in UInt64(0)..<10 {
      let (failing, _) = try await warm(ManualTime(), seed: seed) { _ in
        .failure(RequestError(.modelFailed, "down"))
      }
      #expect(try await failing.respond(to: InferenceRequest("slow", tenant: "t")).text == "other")
      #expect(failing.inFlight == [0, 0])
      let (wrong, replica) = try await warm(ManualTime(), seed: seed) { _ in .failure(WrongRequest()) }
      let before = replica.requests.count
      do {
        let answer = try await wrong.respond(to: InferenceRequest("slow", tenant: "t"))
        // The other replica was drawn.
        #expect(answer.text == "other" && replica.requests.count == before)
      } catch {
        #expect(error is WrongRequest)
      }
      #expect(wrong.inFlight == [0, 0] && wrong.hedges.sent == 0)
    }
  }

  @Test("stops both replicas when the reader leaves")
  func cancellation() async throws {
    let time = ManualTime()
    let gate = SharedFlag()
    let replicas = (0..<2).map { _ in scripted("m") { _ in gate.isSet ? .hang : .text("up") } }
    let model = try ReplicatedModel(
      replicas: replicas,
      options: .init(hedging: HedgingPolicy(), seed: 1),
      time: time.source
    )
    for _ in 0..<64 { _ = try await model.respond(to: InferenceRequest("q", tenant: "t")) }
    gate.set()
    await withTaskGroup(of: Void.self) { group in
      group.addTask {
        await #expect(throws: CancellationError.self) {
          try await model.respond(to: InferenceRequest("q", tenant: "t"))
        }
      }
      await time.waitForSleepers()
      time.advance(by: .milliseconds(10))
      for replica in replicas { await replica.waitForOpenStreams(1) }
      #expect(model.hedges.sent == 1 && model.hedges.won == 0)
      group.cancelAll()
    }
    for replica in replicas { await replica.waitForOpenStreams(0) }
    #expect(model.inFlight == [0, 0])
  }

  @Test("keeps the contract of a model")
  func contract() async {
    let violations = await LanguageModelContract.violations(
      isBusy: { ($0 as? ReplicatedModel)?.inFlight.reduce(0, +) ?? 0 }
    ) {
      let model = try ReplicatedModel(
        replicas: (0..<3).map { _ in scripted("m") { _ in .text("one") } },
        options: .init(hedging: HedgingPolicy(minimumDelay: .zero), seed: 1)
      )
      for _ in 0..<64 { _ = try await model.respond(to: InferenceRequest("q", tenant: "t")) }
      return model
    }
    #expect(violations == [])
  }
}

/// A flag that several replicas look at.
private final class SharedFlag: Sendable {
  private let value = Mutex(false)
  var isSet: Bool { value.withLock(\.self) }
  func set() { value.withLock { $0 = true } }
}
