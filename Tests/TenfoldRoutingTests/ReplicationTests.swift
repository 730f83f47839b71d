// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import TenfoldCore
import TenfoldRouting
import TenfoldTesting
import Testing

@Suite("A circuit breaker")
struct CircuitBreakerTests {
  private let start = ContinuousClock.now

  @Test("opens after failures in a row, probes once, and closes after a success")
  func cycle() {
    var breaker = CircuitBreakerStateMachine(failureLimit: 3, openDuration: .seconds(1))
    for _ in 0..<2 { breaker.failed(now: start) }
    breaker.succeeded()
    for _ in 0..<2 { breaker.failed(now: start) }
    #expect(breaker.phase == .closed)
    breaker.failed(now: start)
    #expect(breaker.phase == .open(until: start.advanced(by: .seconds(1))))
    #expect(breaker.mayPass(now: start) == false)
    let later = start.advanced(by: .seconds(1))
    #expect(breaker.mayPass(now: later) == true)
    #expect(breaker.mayPass(now: later) == false)
    breaker.succeeded()
    #expect(breaker.phase == .closed)
  }

  @Test(
    "waits twice as long after each probe that fails, up to a limit, and an abandoned probe is tried again"
  )
  func backsOff() {
    var breaker = CircuitBreakerStateMachine(
      failureLimit: 1,
      openDuration: .seconds(1),
      maximumOpenDuration: .seconds(5)
    )
    var now = start
    for expected in [1, 2, 4, 5, 5, 5] {
      breaker.failed(now: now)
      #expect(breaker.phase == .open(until: now.advanced(by: .seconds(expected))))
      now = now.advanced(by: .seconds(expected))
      #expect(breaker.mayPass(now: now) == true)
    }
    breaker.abandoned(now: now)
    #expect(breaker.mayPass(now: now) == true)
  }
}

@Suite("A retry budget")
struct RetryBudgetTests {
  @Test("never lets more than its share and its burst through", arguments: [0.0, 0.05, 0.1, 0.5, 1])
  func share(share: Double) {
    var budget = RetryBudget(share: share, burst: 10)
    var retries = 0
    for _ in 0..<10_000 {
      budget.recordRequest()
      while budget.mayRetry() { retries += 1 }
    }
    #expect(Double(retries) <= 10_000 * share + 11)
    #expect(Double(retries) >= 10_000 * share - 11)
  }
}

@Suite("Replica selection")
struct ReplicaSelectionTests {
  /// A simulation: requests arrive at a rate, each replica serves with its own latency.
  private func simulate(
    seed: UInt64,
    latencies: [Double],
    requests: Int,
    rate: Double
  ) -> (counts: [Int], machine: ReplicaSelectionStateMachine) {
    var generator = SeededGenerator(seed: seed)
    var machine = ReplicaSelectionStateMachine(replicaCount: latencies.count)
    let start = ContinuousClock.now
    var running: [(end: Double, replica: Int, latency: Double)] = []
    var counts = latencies.map { _ in 0 }
    var now = 0.0
    for _ in 0..<requests {
      now += Double.random(in: 0...2 / rate, using: &generator)
      for done in running.filter({ $0.end <= now }).sorted(by: { $0.end < $1.end }) {
        machine.finished(
          done.replica,
          latency: .seconds(done.latency),
          now: start.advanced(by: .seconds(done.end))
        )
      }
      running.removeAll { $0.end <= now }
      guard let choice = machine.choose(now: start.advanced(by: .seconds(now)), using: &generator) else {
        continue
      }
      counts[choice] += 1
      let latency = latencies[choice] * Double.random(in: 0.8...1.2, using: &generator)
      running.append((now + latency, choice, latency))
    }
    return (counts, machine)
  }

  @Test("equal replicas get equal shares", arguments: 0..<20)
  func equal(seed: Int) {
    let (counts, _) = simulate(
      seed: UInt64(seed),
      latencies: [0.1, 0.1, 0.1, 0.1],
      requests: 2000,
      rate: 100
    )
    for count in counts { #expect(count > 350 && count < 650, "seed \(seed): \(counts)") }
  }

  @Test("a slow replica gets less, but the others are not herded onto one", arguments: 0..<20)
  func slow(seed: Int) {
    let (counts, _) = simulate(seed: UInt64(seed), latencies: [0.1, 0.1, 1.0], requests: 2000, rate: 60)
    #expect(counts[2] < counts[0] / 3 && counts[2] < counts[1] / 3, "seed \(seed): \(counts)")
    #expect(counts[2] > 0, "seed \(seed): \(counts)")
    #expect(counts[0] * 2 > counts[1] && counts[1] * 2 > counts[0], "seed \(seed): \(counts)")
  }

  @Test("what is in flight is never negative and always given back", arguments: 0..<50)
  func conserved(seed: Int) {
    var generator = SeededGenerator(seed: UInt64(seed))
    var machine = ReplicaSelectionStateMachine(replicaCount: 3, breaker: .init(failureLimit: 2))
    var now = ContinuousClock.now
    var open: [Int] = []
    for _ in 0..<500 {
      now = now.advanced(by: .milliseconds(Int.random(in: 0..<400, using: &generator)))
      if Bool.random(using: &generator), !open.isEmpty {
        let replica = open.remove(at: Int.random(in: 0..<open.count, using: &generator))
        switch Int.random(in: 0..<3, using: &generator) {
        case 0: machine.finished(replica, latency: .milliseconds(10), now: now)
        case 1: machine.failed(replica, now: now)
        default: machine.abandoned(replica, now: now)
        }
      } else if let choice = machine.choose(now: now, using: &generator) {
        open.append(choice)
      }
      #expect(machine.replicas.map(\.inFlight).reduce(0, +) == open.count, "seed \(seed)")
    }
  }
}

@Suite("A replicated model")
struct ReplicatedModelTests {
  @Test("keeps the contract of a model")
  func contract() async {
    let violations = await LanguageModelContract.violations(
      isBusy: { ($0 as? ReplicatedModel)?.inFlight.reduce(0, +) ?? 0 }
    ) {
      try ReplicatedModel(
        replicas: (0..<3).map { _ in scripted("m") { _ in .text("one") } },
        options: .init(seed: 1)
      )
    }
    #expect(violations == [])
  }

  @Test("with all back ends down it soon fails without asking them, and recovers with them")
  func allDown() async throws {
    let time = ManualTime()
    let isDown = Mutex(true)
    let calls = Mutex(0)
    let replicas = (0..<3).map { _ in
      scripted("m") { _ in
        calls.withLock { $0 += 1 }
        return isDown.withLock { $0 } ? .failure(RequestError(.modelFailed, "down")) : .text("up")
      }
    }
    let model = try ReplicatedModel(replicas: replicas, options: .init(seed: 3), time: time.source)
    for _ in 0..<100 {
      await #expect(throws: RequestError.self) {
        try await model.respond(to: InferenceRequest("q", tenant: "t"))
      }
    }
    // Three breakers of five failures each, then nobody is asked.
    #expect(calls.withLock { $0 } == 15)
    await #expect { try await model.respond(to: InferenceRequest("q", tenant: "t")) } throws: {
      let error = $0 as? RequestError
      return error?.code == .unavailable && error?.retryAfter != nil
    }
    isDown.withLock { $0 = false }
    time.advance(by: .seconds(2))
    for _ in 0..<10 { #expect(try await model.respond(to: InferenceRequest("q", tenant: "t")).text == "up") }
  }

  private struct WrongRequest: Error, RequestFault {
    var isRequestsFault: Bool { true }
  }

  @Test(
    "a request that is wrong in itself is neither retried nor held against the replicas",
    arguments: [WrongRequest(), RequestError(.unsupportedFormat, "no")] as [any Error & Sendable]
  )
  private func wrongRequests(error: any Error & Sendable) async throws {
    let calls = Mutex(0)
    let replicas = (0..<3).map { _ in
      scripted("m") { request in
        calls.withLock { $0 += 1 }
        return request.question == "wrong" ? .failure(error) : .text("up")
      }
    }
    let model = try ReplicatedModel(replicas: replicas, options: .init(seed: 5), time: ManualTime().source)
    for _ in 0..<50 {
      await #expect { try await model.respond(to: InferenceRequest("wrong", tenant: "t")) } throws: {
        ($0 as? any RequestFault)?.isRequestsFault == true
      }
    }
    #expect(calls.withLock { $0 } == 50)
    #expect(try await model.respond(to: InferenceRequest("q", tenant: "t")).text == "up")
  }

  @Test("a replica that is silent for too long is replaced, and its breaker opens")
  func silent() async throws {
    var asked = 0
    // Which replica is asked first is drawn; some of the seeds draw the one that hangs.
    for seed in UInt64(0)..<12 {
      let time = ManualTime()
      let hanging = scripted("m") { _ in .hang }
      let model = try ReplicatedModel(
        replicas: [hanging, scripted("m") { _ in .text("up") }],
        options: .init(
          breaker: CircuitBreakerStateMachine(failureLimit: 1, openDuration: .seconds(3600)),
          silenceLimit: .seconds(5),
          seed: seed
        ),
        time: time.source
      )
      for _ in 0..<3 { #expect(try await answer(of: model, passing: hanging, time) == "up") }
      #expect(hanging.requests.count <= 1, "seed \(seed)")
      asked += hanging.requests.count
      await hanging.waitForOpenStreams(0)
    }
    #expect(asked > 0)
  }

  /// An answer; the clock is turned past the limit of silence once the hanging replica is asked.
  private func answer(
    of model: ReplicatedModel,
    passing hanging: ScriptedLanguageModel,
    _ time: ManualTime
  ) async throws -> String {
    try await withThrowingTaskGroup(of: String?.self) { group in
      group.addTask { try await model.respond(to: InferenceRequest("q", tenant: "t")).text }
      group.addTask {
        await hanging.waitForOpenStreams(1)
        guard !Task.isCancelled else { return nil }
        await time.waitForSleepers()
        time.advance(by: .seconds(5))
        return nil
      }
      while let text = try await group.next() {
        guard let text else { continue }
        group.cancelAll()
        return text
      }
      return ""
    }
  }

  @Test("one failing replica is hidden from the readers, and retries stay within the budget")
  func oneDown() async throws {
    let calls = Mutex(0)
    let replicas = (0..<3).map { index in
      scripted("m") { _ in
        calls.withLock { $0 += 1 }
        return index == 0 ? .failure(RequestError(.modelFailed, "down")) : .text("up")
      }
    }
    let model = try ReplicatedModel(replicas: replicas, options: .init(seed: 4), time: ManualTime().source)
    for _ in 0..<300 { #expect(try await model.respond(to: InferenceRequest("q", tenant: "t")).text == "up") }
    #expect(calls.withLock { $0 } <= 300 + 10 + 30)
    #expect(model.inFlight == [0, 0, 0])
  }

  @Test("needs a replica")
  func none() { #expect(throws: RequestError.self) { try ReplicatedModel(replicas: []) } }
}
