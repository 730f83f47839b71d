// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import TenfoldCore
import TenfoldRouting
import TenfoldTesting
import Testing

@Suite("A token bucket")
struct TokenBucketTests {
  @Test("never gives more than its burst and its rate", arguments: 0..<20)
  func bounded(seed: Int) {
    var generator = SeededGenerator(seed: UInt64(seed))
    let start = ContinuousClock.now
    var now = start
    var bucket = TokenBucket(perSecond: 10, burst: 5, now: now)
    var taken = 0
    for _ in 0..<2000 {
      now = now.advanced(by: .milliseconds(Int.random(in: 0..<50, using: &generator)))
      if let wait = bucket.take(1, now: now) {
        #expect(wait > .zero && wait <= .milliseconds(101), "seed \(seed)")
      } else {
        taken += 1
      }
      let elapsed = start.duration(to: now).inSeconds
      #expect(Double(taken) <= 5 + 10 * elapsed + 1e-6, "seed \(seed)")
    }
  }

  @Test("rates that are no numbers give nothing, and a clock that goes back gives nothing either")
  func odd() {
    let now = ContinuousClock.now
    var none = TokenBucket(perSecond: .nan, burst: .infinity, now: now)
    #expect(none.take(1, now: now) == .seconds(3600))
    var bucket = TokenBucket(perSecond: 1, burst: 1, now: now)
    #expect(bucket.take(1, now: now) == nil)
    #expect(bucket.take(1, now: now.advanced(by: .seconds(-3600))) != nil)
    #expect(bucket.take(1, now: now.advanced(by: .seconds(1))) == nil)
  }
}

@Suite("The admission machine")
struct AdmissionStateMachineTests {
  @Test("conserves requests, keeps its bounds and its order", arguments: 0..<200)
  func conserves(seed: Int) {
    var generator = SeededGenerator(seed: UInt64(seed))
    let options = AdmissionMiddleware.Options(
      concurrency: .init(initial: 3, maximum: 6),
      maximumWaiting: 5
    )
    var machine = AdmissionStateMachine(options: options)
    var now = ContinuousClock.now
    var working: Set<UInt64> = []
    var waiting: [UInt64: RequestPriority] = [:]
    for number in 1...400 as ClosedRange<UInt64> {
      now = now.advanced(by: .milliseconds(Int.random(in: 0..<20, using: &generator)))
      let priority =
        [RequestPriority.background, .normal, .critical].randomElement(using: &generator) ?? .normal
      let deadline =
        Bool.random(using: &generator)
        ? now.advanced(by: .milliseconds(Int.random(in: -5..<500, using: &generator))) : nil
      let ticket = AdmissionStateMachine.Ticket(
        number: number,
        tenant: "t",
        priority: priority,
        deadline: deadline
      )
      let (decision, displaced) = machine.arrive(ticket, now: now)
      if let displaced {
        let gone = waiting.removeValue(forKey: displaced)
        #expect(gone != nil && gone.map { $0 < priority } == true, "seed \(seed)")
      }
      switch decision {
      case .admit: working.insert(number)
      case .wait: waiting[number] = priority
      case .refuse: break
      }
      if Int.random(in: 0..<10, using: &generator) == 0,
        let leaving = waiting.keys.sorted().randomElement(using: &generator)
      {
        #expect(machine.leave(leaving) == true, "seed \(seed)")
        waiting[leaving] = nil
        #expect(machine.leave(leaving) == false, "seed \(seed)")
      }
      while working.count >= 3, Bool.random(using: &generator),
        let done = working.sorted().randomElement(using: &generator)
      {
        working.remove(done)
        let sample = ConcurrencyLimitStateMachine.Sample(
          latency: .milliseconds(Int.random(in: 1..<100, using: &generator)),
          admitted: now
        )
        let endings: [AdmissionStateMachine.Ending] = [.answered(sample), .served, .overloaded, .untold]
        let ending = endings.randomElement(using: &generator) ?? .untold
        let outcome = machine.finished(ending, service: .milliseconds(100), now: now)
        let priorities = outcome.admitted.compactMap { waiting[$0] }
        #expect(priorities.count == outcome.admitted.count, "seed \(seed): somebody who did not wait got in")
        #expect(priorities == priorities.sorted(by: >), "seed \(seed)")
        for admitted in outcome.admitted {
          waiting[admitted] = nil
          working.insert(admitted)
        }
        for refused in outcome.refused.keys {
          #expect(waiting.removeValue(forKey: refused) != nil, "seed \(seed)")
        }
      }
      #expect(machine.inFlight == working.count, "seed \(seed)")
      #expect(machine.waiting == waiting.count && waiting.count <= 5, "seed \(seed)")
    }
  }

  @Test("a tenant's rate and budget are its own")
  func tenants() {
    let now = ContinuousClock.now
    let options = AdmissionMiddleware.Options(
      requestsPerSecond: 1,
      burst: 2,
      tenantBudget: Money(dollars: 1),
      budgetWindow: .seconds(100)
    )
    var machine = AdmissionStateMachine(options: options)
    var number: UInt64 = 0
    func arrive(_ tenant: TenantID, _ now: ContinuousClock.Instant) -> AdmissionStateMachine.Decision {
      number += 1
      return machine.arrive(.init(number: number, tenant: tenant, priority: .normal), now: now).decision
    }
    #expect(arrive("a", now) == .admit)
    #expect(arrive("a", now) == .admit)
    guard case .refuse(.rate(let wait)) = arrive("a", now) else {
      Issue.record("the rate was not kept")
      return
    }
    #expect(wait > .zero && wait <= .seconds(1))
    #expect(arrive("b", now) == .admit)
    machine.charge("a", Money(dollars: 2), now: now)
    _ = machine.finished(.served, service: .zero, now: now)
    let later = now.advanced(by: .seconds(10))
    #expect(arrive("a", later) == .refuse(.budget(retryAfter: .seconds(90))))
    #expect(arrive("b", later) == .admit)
    #expect(arrive("a", now.advanced(by: .seconds(101))) == .admit)
  }

  @Test("answers of caches and other requests don't move the limit")
  func hits() {
    var machine = AdmissionStateMachine(options: .init(concurrency: .init(initial: 16)))
    let start = ContinuousClock.now
    for index in 0..<500 as Range<UInt64> {
      let now = start.advanced(by: .seconds(Double(index)))
      _ = machine.arrive(.init(number: index, tenant: "t", priority: .normal), now: now)
      let isHit = index % 10 < 3
      let sample = ConcurrencyLimitStateMachine.Sample(latency: .seconds(1), admitted: now)
      let end = now.advanced(by: isHit ? .microseconds(300) : .seconds(1))
      _ = machine.finished(isHit ? .served : .answered(sample), service: now.duration(to: end), now: end)
      #expect(machine.concurrency.limit >= 8)
    }
  }

  @Test("tenants that say nothing are forgotten")
  func forgets() {
    let options = AdmissionMiddleware.Options(
      concurrency: .init(initial: 1000),
      requestsPerSecond: 1000,
      burst: 1,
      maximumTenants: 10
    )
    var machine = AdmissionStateMachine(options: options)
    var now = ContinuousClock.now
    for index in 0..<500 {
      now = now.advanced(by: .seconds(1))
      let ticket = AdmissionStateMachine.Ticket(
        number: UInt64(index),
        tenant: TenantID("t\(index)"),
        priority: .normal
      )
      #expect(machine.arrive(ticket, now: now).decision == .admit)
      #expect(machine.accountCount <= 10)
    }
  }

  @Test("of busy tenants at most twice as many are remembered, those who spent most, at a bounded effort")
  func forgetsBusy() {
    let options = AdmissionMiddleware.Options(
      concurrency: .init(initial: 10_000, maximum: 10_000),
      tenantBudget: Money(dollars: 1),
      maximumTenants: 80
    )
    var machine = AdmissionStateMachine(options: options)
    let now = ContinuousClock.now
    func arrive(_ tenant: TenantID, _ number: Int) -> AdmissionStateMachine.Decision {
      machine.arrive(.init(number: UInt64(number), tenant: tenant, priority: .normal), now: now).decision
    }
    #expect(arrive("rich", 0) == .admit)
    machine.charge("rich", Money(dollars: 2), now: now)
    for index in 1...2000 {
      let tenant = TenantID("t\(index)")
      #expect(arrive(tenant, index) == .admit)
      machine.charge(tenant, Money(dollars: 0.001), now: now)
      #expect(machine.accountCount <= 160)
    }
    // All are looked at once for each ten newcomers, an eighth of the tenants.
    #expect(machine.cleanings <= 200)
    #expect(arrive("rich", 3000) == .refuse(.budget(retryAfter: .seconds(86_400))))
    // A day later nobody has spent anything.
    let later = now.advanced(by: .seconds(86_400))
    for index in 0..<200 {
      let ticket = AdmissionStateMachine.Ticket(
        number: UInt64(4000 + index),
        tenant: TenantID("u\(index)"),
        priority: .normal
      )
      _ = machine.arrive(ticket, now: later)
    }
    #expect(machine.accountCount <= 90)
  }

  @Test("any number of tenants to remember is taken", arguments: [Int.min, 0, 1, .max])
  func oddLimits(tenants: Int) {
    var options = AdmissionMiddleware.Options(requestsPerSecond: 1, burst: 2)
    options.maximumTenants = tenants
    var machine = AdmissionStateMachine(options: options)
    for index in 0..<50 as Range<UInt64> {
      _ = machine.arrive(.init(number: index, tenant: TenantID("t\(index)"), priority: .normal), now: .now)
    }
    #expect(machine.accountCount <= (tenants == .max ? 50 : 2))
  }
}

@Suite("The admission middleware")
struct AdmissionMiddlewareTests {
  @Test("keeps the contract of a middleware")
  func contract() async {
    #expect(await InferenceMiddlewareContract.violations { AdmissionMiddleware() } == [])
  }

  private func start(
    _ admission: AdmissionMiddleware,
    _ model: ScriptedLanguageModel,
    priority: RequestPriority = .normal,
    deadline: ContinuousClock.Instant? = nil
  ) async throws -> GenerationStream {
    let context = RequestContext(tenant: "t", priority: priority, deadline: deadline)
    return try await admission.intercept(InferenceRequest(prompt: .text("q"), context: context)) {
      try await model.generate($0)
    }
  }

  @Test("a passed deadline is refused without asking the model")
  func expired() async {
    let time = ManualTime()
    let model = scripted("m") { _ in .text("x") }
    let admission = AdmissionMiddleware(time: time.source)
    await #expect {
      _ = try await start(admission, model, deadline: time.now)
    } throws: {
      ($0 as? RequestError)?.code == .deadlineExceeded
    }
    #expect(model.requests.isEmpty)
  }

  @Test(
    "deadlines too short for an idle model leave the limit alone; those that a late model misses shrink it",
    arguments: [(1, 0, 16...16), (5_000, 0, 1...1), (20, 10, 16...16), (40, 10, 1...1)]
      as [(Int, Int, ClosedRange<Int>)]
  )
  func deadlines(given: Int, usual: Int, limit: ClosedRange<Int>) async throws {
    let time = ManualTime()
    let admission = AdmissionMiddleware(options: .init(concurrency: .init(initial: 16)), time: time.source)
    if usual > 0 {
      // Enough answers to know how long one takes.
      let model = scripted("m") { _ in
        time.advance(by: .milliseconds(usual))
        return .text("x")
      }
      for _ in 0..<100 { _ = try await start(admission, model).collect() }
      #expect(admission.load.limit == 16)
    }
    let late = scripted("m") { _ in
      time.advance(by: .milliseconds(given))
      return .failure(RequestError(.deadlineExceeded, "The deadline passed."))
    }
    for _ in 0..<100 {
      await #expect(throws: RequestError.self) { try await start(admission, late) }
      time.advance(by: .milliseconds(100))
    }
    #expect(limit.contains(admission.load.limit))
  }

  @Test("what is spent on the decision is work, what is spent in the queue is waiting")
  func times() async throws {
    let time = ManualTime()
    // Each look at the clock takes a millisecond.
    let slow = TimeSource(
      now: {
        time.advance(by: .milliseconds(1))
        return time.now
      },
      sleep: { try await time.source.sleep(until: $0) }
    )
    let admission = AdmissionMiddleware(
      options: .init(concurrency: .init(initial: 1, maximum: 1)),
      time: slow
    )
    let model = scripted("m") { _ in .text("x") }
    let contexts = (0..<2).map { _ in RequestContext(tenant: "t") }
    @Sendable func enter(_ context: RequestContext) async throws -> GenerationStream {
      try await admission.intercept(InferenceRequest(prompt: .text("q"), context: context)) {
        try await model.generate($0)
      }
    }
    let first = try await enter(contexts[0])
    let line = try #require(contexts[0].trace.stages.first)
    #expect(line.wait == .zero && line.work == .milliseconds(1))
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { _ = try await enter(contexts[1]).collect() }
      await time.waitForSleepers()
      time.advance(by: .seconds(2))
      _ = try await first.collect()
      try await group.waitForAll()
    }
    let later = try #require(contexts[1].trace.stages.first)
    #expect(later.wait >= .seconds(2) && later.work > .zero && later.work < .milliseconds(100))
  }

  @Test("a burst is shed with a time to retry, and what was let in is answered")
  func burst() async throws {
    let time = ManualTime()
    let admission = AdmissionMiddleware(
      options: .init(concurrency: .init(initial: 4, maximum: 4), maximumWaiting: 8),
      time: time.source
    )
    let isOpen = WatchedState(false)
    let model = scripted("m") { _ in
      await isOpen.wait { $0 }
      return .text("x")
    }
    let results = await withTaskGroup(of: String.self) { group in
      for _ in 0..<40 {
        group.addTask {
          do {
            return try await start(admission, model).collect().text
          } catch {
            let error = error as? RequestError
            return error?.code == .overloaded && error?.retryAfter != nil
              ? "shed" : "wrong: \(String(describing: error))"
          }
        }
      }
      var results: [String] = []
      for await result in group {
        results.append(result)
        if results.count == 28 { isOpen.withLock { $0 = true } }
      }
      return results
    }
    #expect(results.count { $0 == "shed" } == 28)
    #expect(results.count { $0 == "x" } == 12)
    #expect(admission.load.inFlight == 0 && admission.load.waiting == 0)
  }

  @Test("who is cancelled while waiting leaves the queue, and places come back")
  func cancelled() async throws {
    let time = ManualTime()
    let admission = AdmissionMiddleware(
      options: .init(concurrency: .init(initial: 1, maximum: 1)),
      time: time.source
    )
    let model = scripted("m") { _ in .text("x") }
    do {
      let first = try await start(admission, model)
      await withTaskGroup(of: Void.self) { group in
        group.addTask { _ = try? await start(admission, model).collect() }
        await until { admission.load.waiting == 1 }
        group.cancelAll()
      }
      #expect(admission.load.waiting == 0)
      #expect(admission.load.inFlight == 1)
      _ = first
    }
    await until { admission.load.inFlight == 0 }
    #expect(admission.load.inFlight == 0)
    #expect(try await start(admission, model).collect().text == "x")
  }

  @Test("who leaves before the end pays for the work all the same, once")
  func leavers() async throws {
    let time = ManualTime()
    let admission = AdmissionMiddleware(options: .init(tenantBudget: Money(dollars: 1)), time: time.source)
    let context = RequestContext(tenant: "t")
    let hanging = scripted("m") { _ in .hang }
    var stream: GenerationStream? = try await admission.intercept(
      InferenceRequest(prompt: .text("q"), context: context)
    ) { try await hanging.generate($0) }
    #expect(stream != nil)
    stream = nil
    await until { admission.load.inFlight == 0 }
    // The engine books the call when it gets to it, after the stream has gone.
    let usage = TokenUsage(promptTokens: 1, completionTokens: 1)
    context.trace.record(ModelCall(model: "m", tier: .small, usage: usage, cost: Money(dollars: 2)))
    await #expect { _ = try await start(admission, hanging) } throws: {
      ($0 as? RequestError)?.code == .budgetExhausted
    }
  }

  @Test("an answer is charged once, whether its model books the call or only sums it up")
  func chargedOnce() async throws {
    let admission = AdmissionMiddleware(options: .init(tenantBudget: Money(dollars: 10)))
    // Each answer costs three dollars: one word asked, two said.
    let price = ModelPrice(dollarsPerMillionPromptTokens: 1e6, dollarsPerMillionCompletionTokens: 1e6)
    let model = ScriptedLanguageModel(profile: ModelProfile(id: "m", contextLength: 9, price: price)) { _ in
      .text("two words")
    }
    for _ in 0..<4 { _ = try await start(admission, model).collect() }
    await #expect { _ = try await start(admission, model) } throws: {
      ($0 as? RequestError)?.code == .budgetExhausted
    }
  }

  @Test("waiting ends after the maximum wait")
  func patience() async throws {
    let time = ManualTime()
    let admission = AdmissionMiddleware(
      options: .init(concurrency: .init(initial: 1, maximum: 1), maximumWait: .seconds(3)),
      time: time.source
    )
    let model = scripted("m") { _ in .text("x") }
    let first = try await start(admission, model)
    let code = await withTaskGroup(of: RequestError.Code?.self) { group in
      group.addTask {
        do {
          _ = try await start(admission, model)
          return nil
        } catch { return (error as? RequestError)?.code }
      }
      await time.waitForSleepers()
      time.advance(by: .seconds(3))
      return await group.next() ?? nil
    }
    #expect(code == .overloaded)
    #expect(admission.load.waiting == 0)
    _ = try await first.collect()
  }

  @Test("first come, first served within a priority, and higher ones before", arguments: 0..<3)
  func order(round: Int) async throws {
    let admission = AdmissionMiddleware(
      options: .init(concurrency: .init(initial: 1, maximum: 1)),
      time: ManualTime().source
    )
    let model = scripted("m") { _ in .text("x") }
    let order = ServedOrder()
    let first = try await start(admission, model)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for (index, priority) in [RequestPriority.normal, .background, .normal, .critical].enumerated() {
        group.addTask {
          let stream = try await start(admission, model, priority: priority)
          order.indices.withLock { $0.append(index) }
          _ = try await stream.collect()
        }
        await until { admission.load.waiting == index + 1 }
      }
      _ = try await first.collect()
      try await group.waitForAll()
    }
    #expect(order.indices.withLock { $0 } == [3, 0, 2, 1])
  }
}

/// Who was let in, in order.
private final class ServedOrder: Sendable {
  let indices = Mutex<[Int]>([])
}
