// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import Tenfold
import TenfoldTesting
import Testing

/// Holds callers until it is opened.
private actor Gate {
  private var isOpen = false
  private var waiters: [CheckedContinuation<Void, Never>] = []

  func pass() async {
    guard !isOpen else { return }
    await withCheckedContinuation { waiters.append($0) }
  }

  func open() {
    isOpen = true
    for waiter in waiters { waiter.resume() }
    waiters = []
  }
}

private struct Broken: Error {}

@Suite("CoalescingMiddleware", .timeLimit(.minutes(10)))
struct CoalescingMiddlewareTests {
  @Test("a thousand equal requests at once are computed once, and all are answered")
  func thousand() async throws {
    let gate = Gate()
    let model = ScriptedLanguageModel { _ in
      await gate.pass()
      return .text("one two three")
    }
    let pipeline = Pipeline(model: model, middlewares: [CoalescingMiddleware()])
    var streams: [GenerationStream] = []
    for _ in 0..<1000 { streams.append(try await pipeline.generate(InferenceRequest("same", tenant: "t"))) }
    let answers = try await withThrowingTaskGroup(of: Completion.self) { group in
      for stream in streams { group.addTask { try await stream.collect() } }
      // The streams' tasks were there before: they join before the model's answer.
      await model.waitForRequests()
      await gate.open()
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(answers.allSatisfy { $0.text == "one two three" })
    let computed = answers.filter {
      if case .model = $0.summary.provenance.answeredBy { true } else { false }
    }
    #expect(computed.count == model.requests.count)
    #expect(model.requests.count < 1000)
  }

  @Test("tenants, prompts, options and refusing policies are computed apart")
  func apart() async throws {
    let gate = Gate()
    let model = ScriptedLanguageModel { request in
      await gate.pass()
      return .text("\(request.context.tenant) \(request.question)")
    }
    let layer = CoalescingMiddleware()
    let pipeline = Pipeline(model: model, middlewares: [layer])
    var requests = [
      InferenceRequest("same", tenant: "a"), InferenceRequest("same", tenant: "b"),
      InferenceRequest("other", tenant: "a"),
      InferenceRequest("same", tenant: "a", options: try GenerationOptions(maxTokens: 3)),
      InferenceRequest("same", tenant: "a", options: try GenerationOptions(temperature: 1)),
    ]
    var fresh = InferenceRequest("same", tenant: "a")
    fresh.context.cachePolicy = .refresh
    var critical = InferenceRequest("same", tenant: "a")
    critical.context.priority = .critical
    var capped = InferenceRequest("same", tenant: "a")
    capped.context.costCeiling = Money(dollars: 1)
    var wrapped = InferenceRequest("same", tenant: "a")
    wrapped.question = "another question behind the same prompt"
    var grounded = InferenceRequest("same", tenant: "a")
    grounded.passages = [RetrievedPassage(document: "d", text: "found", score: 1)]
    requests += [fresh, critical, capped, wrapped, grounded]
    try await withThrowingTaskGroup(of: Void.self) { group in
      for request in requests {
        group.addTask {
          let answer = try await pipeline.respond(to: request)
          #expect(answer.text == "\(request.context.tenant) \(request.question)")
        }
      }
      await model.waitForRequests(requests.count)
      await gate.open()
      try await group.waitForAll()
    }
    #expect(model.requests.count == requests.count)
    #expect(layer.flightCount == 0)
  }

  @Test("nobody is cut off by another's deadline, and a follower keeps its own")
  func deadlines() async throws {
    let time = ManualTime()
    let gate = Gate()
    let model = ScriptedLanguageModel { _ in
      await gate.pass()
      return .text("one two three")
    }
    let layer = CoalescingMiddleware()
    func request(seconds: Int?) -> InferenceRequest {
      var request = InferenceRequest("same", tenant: "t")
      request.context.trace = RequestTrace(time: time.source)
      request.context.deadline = seconds.map { time.now.advanced(by: .seconds($0)) }
      return request
    }
    func ask(_ request: InferenceRequest) async throws -> GenerationStream {
      try await layer.intercept(request) { try await model.generate($0) }
    }
    let short = try await ask(request(seconds: 10))
    await model.waitForRequests(1)
    // Has more time than the first: leads its own, which later ones find.
    let long = try await ask(request(seconds: nil))
    await model.waitForRequests(2)
    let follower = try await ask(request(seconds: 5))
    await time.waitForSleepers()
    time.advance(by: .seconds(5))
    await #expect { try await follower.collect() } throws: {
      ($0 as? RequestError)?.code == .deadlineExceeded
    }
    await gate.open()
    #expect(try await short.collect().text == "one two three")
    #expect(try await long.collect().text == "one two three")
    #expect(model.requests.count == 2)
  }

  @Test("a follower's wait begins where it joins, not where its request arrived")
  func followersWait() async throws {
    let time = ManualTime()
    let gate = Gate()
    let model = ScriptedLanguageModel { _ in
      await gate.pass()
      return .text("one two three")
    }
    let layer = CoalescingMiddleware()
    let leader = try await layer.intercept(InferenceRequest("same", tenant: "t")) {
      try await model.generate($0)
    }
    await model.waitForRequests()
    var request = InferenceRequest("same", tenant: "t")
    request.context.trace = RequestTrace(time: time.source)
    // With a deadline it is seen that it has joined: an alarm waits for that.
    request.context.deadline = time.now.advanced(by: .seconds(60))
    time.advance(by: .seconds(1))
    request.context.trace.record(StageRecord(stage: "admission", wait: .seconds(1), work: .zero))
    let follower = try await layer.intercept(request) { try await model.generate($0) }
    await time.waitForSleepers()
    time.advance(by: .seconds(2))
    await gate.open()
    #expect(try await follower.collect().text == "one two three")
    #expect(try await leader.collect().text == "one two three")
    let line = try #require(request.context.trace.stages.last)
    #expect(line.stage == "coalescing" && line.wait == .seconds(2) && line.work == .zero)
    #expect(model.requests.count == 1)
  }

  @Test("a follower gets its own computation when the leader's fails")
  func leaderFails() async throws {
    let gate = Gate()
    let isFirst = Mutex(true)
    let model = ScriptedLanguageModel { _ in
      let first = isFirst.withLock { first in
        defer { first = false }
        return first
      }
      guard first else { return .text("second try") }
      await gate.pass()
      return .failure(Broken())
    }
    let pipeline = Pipeline(model: model, middlewares: [CoalescingMiddleware()])
    let leader = try await pipeline.generate(InferenceRequest("same", tenant: "t"))
    await model.waitForRequests()
    let follower = try await pipeline.generate(InferenceRequest("same", tenant: "t"))
    // Time for it to join; should it come later, it leads and answers all the same.
    for _ in 0..<100 { await Task.yield() }
    await gate.open()
    await #expect(throws: Broken.self) { _ = try await leader.collect() }
    #expect(try await follower.collect().text == "second try")
  }

  @Test("the work stops when the last reader leaves, and not before")
  func lastReader() async throws {
    let (answer, words) = GenerationStream.makeStream()
    let hasStopped = WatchedState(false)
    words.onCancel { hasStopped.withLock { $0 = true } }
    let model = ScriptedLanguageModel { _ in .hang }
    let layer = CoalescingMiddleware()
    func reader() async throws -> GenerationStream.AsyncIterator {
      try await layer.intercept(InferenceRequest("same", tenant: "t")) { request in
        _ = try await model.generate(request)
        return answer
      }.makeAsyncIterator()
    }
    func word(_ reader: inout GenerationStream.AsyncIterator?) async throws -> String? {
      guard case .text(let word)? = try await reader?.next() else { return nil }
      return word
    }
    words.yield(.text("one"))
    var first: GenerationStream.AsyncIterator? = try await reader()
    #expect(try await word(&first) == "one")
    var second: GenerationStream.AsyncIterator? = try await reader()
    // Who hears what was said before has joined.
    #expect(try await word(&second) == "one")
    first = nil
    words.yield(.text("two"))
    #expect(try await word(&second) == "two")
    #expect(!words.isCancelled && layer.flightCount == 1)
    second = nil
    await hasStopped.wait { $0 }
    #expect(layer.flightCount == 0)
    #expect(model.requests.count == 1)
  }
}
