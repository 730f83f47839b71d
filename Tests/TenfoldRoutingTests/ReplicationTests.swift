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
  /// A simulation: requests arrive at a rate, each replica serves with its own latency, and may have another one in the
  /// second half of the requests.
  private func simulate(
    seed: UInt64,
    latencies: [Double],
    then laterLatencies: [Double]? = nil,
    requests: Int,
    rate: Double
  ) -> (counts: [Int], laterCounts: [Int]) {
    var generator = SeededGenerator(seed: seed)
    var machine = ReplicaSelectionStateMachine(replicaCount: latencies.count)
    let start = ContinuousClock.now
    var running: [(end: Double, replica: Int, latency: Double)] = []
    var counts = latencies.map { _ in 0 }
    var laterCounts = counts
    var now = 0.0
    for index in 0..<requests {
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
      let isLater = index >= requests / 2
      counts[choice] += 1
      if isLater { laterCounts[choice] += 1 }
      let usual = isLater ? laterLatencies ?? latencies : latencies
      let latency = usual[choice] * Double.random(in: 0.8...1.2, using: &generator)
      running.append((now + latency, choice, latency))
    }
    return (counts, laterCounts)
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
    let (counts, laterCounts) = simulate(
      seed: UInt64(seed),
      latencies: [0.1, 0.1, 1.0],
      requests: 2000,
      rate: 60
    )
    #expect(counts[2] < counts[0] / 3 && counts[2] < counts[1] / 3, "seed \(seed): \(counts)")
    // The first choices, made when nothing is known, are not among these.
    #expect(laterCounts[2] > 0, "seed \(seed): \(laterCounts)")
    #expect(counts[0] * 2 > counts[1] && counts[1] * 2 > counts[0], "seed \(seed): \(counts)")
  }

  @Test("a replica that was slow gets work again when it is quick", arguments: 0..<20)
  func recovers(seed: Int) {
    let (_, laterCounts) = simulate(
      seed: UInt64(seed),
      latencies: [0.1, 0.1, 10],
      then: [0.1, 0.1, 0.1],
      requests: 6000,
      rate: 60
    )
    #expect(laterCounts[2] > 20, "seed \(seed): \(laterCounts)")
  }

  /// How often each of two replicas is drawn in 200 requests, one after the other.
  private func draws(_ machine: inout ReplicaSelectionStateMachine, at now: ContinuousClock.Instant) -> [Int]
  {
    var generator = SeededGenerator(seed: 7)
    var counts = [0, 0]
    for _ in 0..<200 {
      guard let choice = machine.choose(now: now, using: &generator) else { continue }
      counts[choice] += 1
      machine.finished(choice, latency: .milliseconds(100), now: now)
    }
    return counts
  }

  @Test("one slow answer is forgotten, also when nobody asks the replica meanwhile")
  func forgetsSlowAnswer() {
    let start = ContinuousClock.now
    var machine = ReplicaSelectionStateMachine(replicaCount: 2)
    machine.finished(0, latency: .seconds(10), now: start)
    machine.finished(1, latency: .milliseconds(100), now: start)
    #expect(draws(&machine, at: start) == [0, 200])
    // The other one's latency stays known.
    let later = start.advanced(by: .seconds(100))
    machine.finished(1, latency: .milliseconds(100), now: later)
    #expect(draws(&machine, at: later)[0] > 0)
  }

  @Test("a replica that has never been asked is asked though another is quicker than is assumed of it")
  func triesUnknown() {
    var generator = SeededGenerator(seed: 8)
    var now = ContinuousClock.now
    var machine = ReplicaSelectionStateMachine(replicaCount: 2)
    var asked: Set<Int> = []
    for _ in 0..<600 {
      guard let choice = machine.choose(now: now, using: &generator) else { continue }
      asked.insert(choice)
      now = now.advanced(by: .milliseconds(100))
      machine.finished(choice, latency: .milliseconds(10), now: now)
    }
    #expect(asked == [0, 1])
  }

  @Test("a replica that hangs gets no more requests the longer it does", arguments: 0..<4)
  func hangs(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    var now = ContinuousClock.now
    var machine = ReplicaSelectionStateMachine(replicaCount: 2)
    for replica in 0..<2 { machine.finished(replica, latency: .milliseconds(100), now: now) }
    // Fifty requests a second; the first replica answers none, and nobody leaves.
    var stuck = 0
    for _ in 0..<3_000 {
      now = now.advanced(by: .milliseconds(20))
      guard let choice = machine.choose(now: now, using: &generator) else { continue }
      if choice == 0 { stuck += 1 } else { machine.finished(1, latency: .milliseconds(100), now: now) }
    }
    #expect(stuck < 50, "seed \(seed)")
  }

  @Test("a replica that is left without a word is as slow as it was waited for, and never quicker than known")
  func waitedFor() {
    let start = ContinuousClock.now
    var machine = ReplicaSelectionStateMachine(replicaCount: 2)
    machine.finished(0, latency: .milliseconds(100), now: start)
    machine.overtaken(0, after: .milliseconds(10), now: start)
    #expect(machine.replicas[0].latency > 0.09)
    machine.overtaken(0, after: .seconds(4), now: start)
    #expect(machine.replicas[0].latency == 4)
    // After a minute four seconds count as ten milliseconds, and another second is more than that.
    let later = start.advanced(by: .seconds(60))
    machine.overtaken(0, after: .seconds(1), now: later)
    #expect(machine.replicas[0].latency >= 1 && machine.replicas[0].latency < 1.1)
  }

  @Test(
    "silence until the deadline is a replica's failure if another one is much quicker",
    arguments: [(0.1, 2.0, true), (0.1, 0.5, false), (nil, 2, false)] as [(Double?, Double, Bool)]
  )
  func expired(other: Double?, waited: Double, isFailure: Bool) {
    let now = ContinuousClock.now
    var machine = ReplicaSelectionStateMachine(replicaCount: 2, breaker: .init(failureLimit: 1))
    if let other { machine.finished(1, latency: .seconds(other), now: now) }
    machine.expired(0, after: .seconds(waited), now: now)
    #expect(machine.replicas[0].breaker.wouldPass(now: now) == !isFailure)
    #expect(machine.replicas[0].latency == waited)
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
        switch Int.random(in: 0..<5, using: &generator) {
        case 0: machine.finished(replica, latency: .milliseconds(10), now: now)
        case 1: machine.failed(replica, now: now)
        case 2: machine.overtaken(replica, after: .milliseconds(500), now: now)
        case 3: machine.expired(replica, after: .milliseconds(500), now: now)
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

  @Test(
    "a replica that hangs is avoided, whether readers or deadlines end the wait",
    arguments: [true, false]
  )
  func hanging(hasDeadline: Bool) async throws {
    for seed in UInt64(0)..<8 {
      let time = ManualTime()
      let hanging = scripted("m") { _ in .hang }
      let model = try ReplicatedModel(
        replicas: [
          hanging,
          // Slower than is assumed of a replica that has not been asked yet.
          scripted("m") { _ in
            time.advance(by: .milliseconds(200))
            return .text("up")
          },
        ],
        options: .init(seed: seed),
        time: time.source
      )
      for _ in 0..<50 {
        let context = RequestContext(
          tenant: "t",
          deadline: hasDeadline ? time.now.advanced(by: .seconds(1)) : nil,
          trace: RequestTrace(time: time.source)
        )
        let before = hanging.requests.count
        var stream: GenerationStream? = try await model.generate(
          InferenceRequest(prompt: .text("q"), context: context)
        )
        if hanging.requests.count == before {
          #expect(try await stream?.collect().text == "up")
        } else {
          time.advance(by: .seconds(1))
          // What a reader does, and what a pipeline does at the deadline.
          stream = nil
          await until { model.inFlight == [0, 0] }
        }
      }
      // A second, which halves in seven, is less than 200 ms only after 80 answers of the other.
      #expect((1...2).contains(hanging.requests.count), "seed \(seed): \(hanging.requests.count)")
      await hanging.waitForOpenStreams(0)
      #expect(model.inFlight == [0, 0])
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
