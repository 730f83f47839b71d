// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import TenfoldCache
import TenfoldCore
import TenfoldTesting
import Testing

@Suite("The exact cache middleware")
struct ExactCacheMiddlewareTests {
  private let time = ManualTime()
  private let model = ScriptedLanguageModel { .text("You asked: \($0.question)") }

  private func makeCache(_ options: ResponseCache.Options = .init(), epoch: UInt64 = 0) -> ResponseCache {
    ResponseCache(
      store: InMemoryCacheStore(options: .init(lifetime: .init(jitter: 0), seed: 1), time: time.source),
      model: model.profile,
      options: options,
      corpusEpoch: { epoch }
    )
  }

  @Test("keeps the contract of a middleware")
  func contract() async {
    #expect(await InferenceMiddlewareContract.violations { ExactCacheMiddleware(cache: makeCache()) } == [])
  }

  @Test("serves a repeat without the model, for nothing")
  func repeats() async throws {
    let exact = ExactCacheMiddleware(cache: makeCache())
    let first = try await ask([exact], model, InferenceRequest("What is it?", tenant: "a"))
    let request = InferenceRequest("  What  is it? ", tenant: "a")
    let second = try await ask([exact], model, request)
    #expect(model.requests.count == 1)
    #expect(second.text == first.text)
    #expect(second.summary.usage.completionTokens == 0 && second.summary.usage.promptTokens == 0)
    #expect(second.summary.provenance.cost == .zero)
    guard case .exactCache(_, isStale: false) = second.summary.provenance.answeredBy else {
      Issue.record("answered by \(second.summary.provenance.answeredBy)")
      return
    }
    #expect(request.context.trace.stages.map(\.stage) == ["exactCache"])
    #expect(request.context.trace.stages.map(\.note) == ["hit"])
  }

  @Test("tenant B asking tenant A's cached question is a miss")
  func tenants() async throws {
    let exact = ExactCacheMiddleware(cache: makeCache())
    _ = try await ask([exact], model, InferenceRequest("What is it?", tenant: "a"))
    _ = try await ask([exact], model, InferenceRequest("What is it?", tenant: "b"))
    #expect(model.requests.map(\.context.tenant) == ["a", "b"])
  }

  @Test("keeps to the request's cache policy")
  func policies() async throws {
    let exact = ExactCacheMiddleware(cache: makeCache())
    func calls(_ policy: CachePolicy) async throws -> Int {
      let before = model.requests.count
      var request = InferenceRequest("q", tenant: "a")
      request.context.cachePolicy = policy
      _ = try await ask([exact], model, request)
      return model.requests.count - before
    }
    #expect(try await calls(.bypass) == 1)
    #expect(try await calls(.standard) == 1)
    #expect(try await calls(.standard) == 0)
    #expect(try await calls(.bypass) == 1)
    #expect(try await calls(.refresh) == 1)
    #expect(try await calls(.standard) == 0)
    #expect(try await calls(CachePolicy(allowsExactHit: false, allowsStore: false)) == 1)
  }

  @Test("answers drawn at random are kept only where allowed")
  func sampled() async throws {
    let random = try GenerationOptions(temperature: 0.7)
    let seeded = try GenerationOptions(temperature: 0.7, seed: 3)
    for (options, keeps, expected) in [(random, false, 2), (seeded, false, 1), (random, true, 1)] {
      let model = ScriptedLanguageModel { _ in .text("x") }
      let exact = ExactCacheMiddleware(cache: makeCache(.init(keepsSampledAnswers: keeps)))
      for _ in 0..<2 {
        _ = try await ask([exact], model, InferenceRequest("q", tenant: "a", options: options))
      }
      #expect(model.requests.count == expected)
    }
  }

  @Test("an answer with details that entries don't hold is computed each time", arguments: [0, 1])
  func details(kind: Int) async throws {
    let exact = ExactCacheMiddleware(cache: makeCache())
    let options =
      kind == 0
      ? try GenerationOptions(logProbabilities: 5)
      : try GenerationOptions(temperature: 1, seed: 1, alternatives: 3)
    for _ in 0..<2 { _ = try await ask([exact], model, InferenceRequest("q", tenant: "a", options: options)) }
    #expect(model.requests.count == 2)
  }

  @Test("only one task can store what was answered, and after it another")
  func runningTwice() async throws {
    let cache = makeCache()
    try await withThrowingTaskGroup(of: Result<Void, any Error>.self) { group in
      for _ in 0..<2 {
        group.addTask {
          do { return .success(try await cache.run()) } catch { return .failure(error) }
        }
      }
      // One of them is refused at once; the other goes on until it is cancelled.
      let first = try await group.next()
      #expect { try first?.get() } throws: { ($0 as? CacheError)?.code == .alreadyRunning }
      group.cancelAll()
      let second = try await group.next()
      #expect(throws: Never.self) { try second?.get() }
      group.addTask {
        do { return .success(try await cache.run()) } catch { return .failure(error) }
      }
      let third = try await group.next()
      #expect(throws: Never.self) { try third?.get() }
    }
  }

  @Test("too long answers and empty questions are not kept", arguments: ["long", "", "  ", "huge question"])
  func unfit(what: String) async throws {
    let model = ScriptedLanguageModel { _ in
      .text(what == "long" ? String(repeating: "word ", count: 100) : "short")
    }
    let exact = ExactCacheMiddleware(
      cache: makeCache(.init(maximumAnswerBytes: 100, maximumQuestionBytes: 10_000))
    )
    let question = what == "huge question" ? String(repeating: "a", count: 10_001) : what
    for _ in 0..<2 { _ = try await ask([exact], model, InferenceRequest(question, tenant: "a")) }
    #expect(model.requests.count == 2)
  }

  @Test("an abandoned answer is not kept")
  func abandoned() async throws {
    let exact = ExactCacheMiddleware(cache: makeCache())
    do {
      let stream = try await exact.intercept(InferenceRequest("q", tenant: "a")) {
        try await self.model.generate($0)
      }
      for try await _ in stream { break }
    }
    _ = try await ask([exact], model, InferenceRequest("q", tenant: "a"))
    #expect(model.requests.count == 2)
  }

  @Test(
    "an old answer is served, flagged, when the model fails and the request allows it",
    arguments: [true, false]
  )
  func stale(failsLate: Bool) async throws {
    let isDown = Switch()
    let model = UnreliableModel(isDown: isDown, failsInStream: failsLate)
    let exact = ExactCacheMiddleware(cache: makeCache(.init(timeToLive: .seconds(10))))
    _ = try await ask([exact], model, InferenceRequest("q", tenant: "a"))
    time.advance(by: .seconds(20))
    isDown.value.withLock { $0 = true }
    await #expect(throws: RequestError.self) {
      try await ask([exact], model, InferenceRequest("q", tenant: "a"))
    }
    var patient = InferenceRequest("q", tenant: "a")
    patient.context.cachePolicy.allowsStale = true
    let answer = try await ask([exact], model, patient)
    #expect(answer.text == "good")
    guard case .exactCache(_, isStale: true) = answer.summary.provenance.answeredBy else {
      Issue.record("answered by \(answer.summary.provenance.answeredBy)")
      return
    }
    isDown.value.withLock { $0 = false }
    var request = InferenceRequest("q", tenant: "a")
    request.context.cachePolicy.allowsStale = true
    let fresh = try await ask([exact], model, request)
    guard case .model = fresh.summary.provenance.answeredBy else {
      Issue.record("an old answer was served though the model answers")
      return
    }
  }

  @Test("a changed document takes its answers along")
  func invalidation() async throws {
    let cache = makeCache()
    let exact = ExactCacheMiddleware(cache: cache)
    var request = InferenceRequest("q", tenant: "a")
    request.passages = [RetrievedPassage(document: "d1", text: "t", score: 1)]
    _ = try await ask([exact], model, request)
    #expect(try await cache.invalidate(documents: ["other"]) == 0)
    #expect(try await cache.invalidate(documents: ["d1"]) == 1)
    _ = try await ask([exact], model, request)
    #expect(model.requests.count == 2)
  }

  @Test("a store that fails makes misses, not failed requests, and says so")
  func failingStore() async throws {
    let store = FailingStore(InMemoryCacheStore())
    let cache = ResponseCache(store: store, model: model.profile, corpusEpoch: { 0 })
    let exact = ExactCacheMiddleware(cache: cache)
    store.isFailing.withLock { $0 = true }
    for _ in 0..<2 {
      #expect(try await ask([exact], model, InferenceRequest("q", tenant: "a")).text == "You asked: q")
    }
    await cache.flush()
    #expect(await cache.statistics().isDegraded)
    store.isFailing.withLock { $0 = false }
    _ = try await ask([exact], model, InferenceRequest("q", tenant: "a"))
    await cache.flush()
    let before = model.requests.count
    _ = try await ask([exact], model, InferenceRequest("q", tenant: "a"))
    #expect(model.requests.count == before)
    #expect(await cache.statistics().isDegraded == false)
  }

  @Test("answers wait in a bounded buffer and are stored by the service, the rest when it stops")
  func writeBehind() async throws {
    let store = HeldStore()
    let cache = ResponseCache(
      store: store,
      model: model.profile,
      options: .init(fillBufferCapacity: 4),
      corpusEpoch: { 0 }
    )
    let exact = ExactCacheMiddleware(cache: cache)
    for index in 0..<10 { _ = try await ask([exact], model, InferenceRequest("q\(index)", tenant: "a")) }
    #expect(await cache.statistics().droppedFills == 6)
    #expect(await cache.statistics().entries == 0)
    await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await cache.run() }
      // The first of four is being stored; what comes now waits, and the service is stopped.
      await store.begun.wait { $0 == 1 }
      for index in 10..<13 { _ = try? await ask([exact], model, InferenceRequest("q\(index)", tenant: "a")) }
      group.cancelAll()
      store.release()
    }
    #expect(await cache.statistics().entries == 7)
    #expect(await cache.statistics().droppedFills == 6)
  }
}

@Suite("The semantic cache middleware")
struct SemanticCacheMiddlewareTests {
  private let model = ScriptedLanguageModel { .text("You asked: \($0.question)") }
  private let embedder = TableEmbedder(table: [
    "How tall is K2?": [1, 0], "Please tell me how tall K2 is.": [0.99, 0.141],
    "How wide is a house?": [0, 1],
    "How tall is K3?": [0.9999, 0.0141],
  ])

  private func makeLayers(
    _ store: any CacheStore = InMemoryCacheStore(options: .init(seed: 1)),
    embedder: TableEmbedder? = nil
  ) -> (ResponseCache, [any InferenceMiddleware]) {
    let cache = ResponseCache(store: store, model: model.profile, corpusEpoch: { 0 })
    return (
      cache,
      [
        ExactCacheMiddleware(cache: cache),
        SemanticCacheMiddleware(cache: cache, embedder: embedder ?? self.embedder),
      ]
    )
  }

  @Test("keeps the contract of a middleware")
  func contract() async {
    let violations = await InferenceMiddlewareContract.violations {
      SemanticCacheMiddleware(
        cache: ResponseCache(store: InMemoryCacheStore(), model: testProfile, corpusEpoch: { 0 }),
        embedder: HashingTextEmbedder()
      )
    }
    #expect(violations == [])
  }

  @Test("serves other words of the same meaning, and says so")
  func serves() async throws {
    let (_, layers) = makeLayers()
    _ = try await ask(layers, model, InferenceRequest("How tall is K2?", tenant: "a"))
    let other = try await ask(layers, model, InferenceRequest("Please tell me how tall K2 is.", tenant: "a"))
    #expect(model.requests.count == 1)
    #expect(other.text == "You asked: How tall is K2?")
    guard case .semanticCache(let entry, let similarity, isStale: false) = other.summary.provenance.answeredBy
    else {
      Issue.record("answered by \(other.summary.provenance.answeredBy)")
      return
    }
    #expect(abs(similarity - 0.99) < 0.01)
    // The wording has its own entry now: no vector is needed, and the source is told the same.
    let request = InferenceRequest("Please tell me how tall K2 is.", tenant: "a")
    let again = try await ask(layers, model, request)
    #expect(
      again.summary.provenance.answeredBy
        == .semanticCache(entry: entry, similarity: similarity, isStale: false)
    )
    #expect(request.context.trace.stages.map(\.stage) == ["exactCache"])
    #expect(request.context.trace.stages.map(\.note) == ["alias"])
  }

  @Test("an alias is not served to who allows no semantic hits")
  func aliasPolicy() async throws {
    let (_, layers) = makeLayers()
    _ = try await ask(layers, model, InferenceRequest("How tall is K2?", tenant: "a"))
    _ = try await ask(layers, model, InferenceRequest("Please tell me how tall K2 is.", tenant: "a"))
    var request = InferenceRequest("Please tell me how tall K2 is.", tenant: "a")
    request.context.cachePolicy.allowsSemanticHit = false
    #expect(try await ask(layers, model, request).text == "You asked: Please tell me how tall K2 is.")
  }

  @Test("each wording that the model answered keeps its own entry")
  func ownEntries() async throws {
    let (_, layers) = makeLayers()
    for question in ["How tall is K2?", "How tall is K3?", "How wide is a house?"] {
      _ = try await ask(layers, model, InferenceRequest(question, tenant: "a"))
    }
    for question in ["How tall is K2?", "How tall is K3?", "How wide is a house?"] {
      let answer = try await ask(layers, model, InferenceRequest(question, tenant: "a"))
      #expect(answer.text == "You asked: \(question)")
      guard case .exactCache = answer.summary.provenance.answeredBy else {
        Issue.record("\(question) was answered by \(answer.summary.provenance.answeredBy)")
        continue
      }
    }
    #expect(model.requests.count == 3)
  }

  @Test("an answer is served only to what is near its own question, not to what is near an alias of it")
  func aliasesDoNotChain() async throws {
    let time = ManualTime()
    let store = InMemoryCacheStore(options: .init(lifetime: .init(jitter: 0), seed: 1), time: time.source)
    let cache = ResponseCache(
      store: store,
      model: model.profile,
      options: .init(timeToLive: .seconds(10)),
      corpusEpoch: { 0 }
    )
    // At 0, 8 and 24 degrees: cosines of 0.990, 0.961, and 0.914 between the outer two.
    let embedder = TableEmbedder(table: [
      "one": [1, 0], "two": [0.99027, 0.13917], "three": [0.91355, 0.40674],
    ])
    let semantic = SemanticCacheMiddleware(
      cache: cache,
      embedder: embedder,
      options: .init(policy: .init(threshold: 0.95, cacheGuard: CacheGuard(checks: [])))
    )
    let layers: [any InferenceMiddleware] = [ExactCacheMiddleware(cache: cache), semantic]
    _ = try await ask(layers, model, InferenceRequest("two", tenant: "a"))
    time.advance(by: .seconds(20))
    for question in ["one", "two"] {
      let answer = try await ask(layers, model, InferenceRequest(question, tenant: "a"))
      #expect(answer.text == "You asked: one")
    }
    let third = try await ask(layers, model, InferenceRequest("three", tenant: "a"))
    #expect(third.text == "You asked: three")
    #expect(model.requests.map(\.question) == ["two", "one", "three"])
  }

  @Test("the guard keeps a near question of another meaning out")
  func guarded() async throws {
    let (_, layers) = makeLayers()
    _ = try await ask(layers, model, InferenceRequest("How tall is K2?", tenant: "a"))
    let request = InferenceRequest("How tall is K3?", tenant: "a")
    #expect(try await ask(layers, model, request).text == "You asked: How tall is K3?")
    #expect(
      request.context.trace.stages.contains { $0.stage == "semanticCache" && $0.note.contains("numbers") }
    )
  }

  @Test("another tenant, system prompt or conversation is a miss")
  func isolation() async throws {
    let (_, layers) = makeLayers()
    _ = try await ask(layers, model, InferenceRequest("How tall is K2?", tenant: "a"))
    let question = "Please tell me how tall K2 is."
    let requests = [
      InferenceRequest(question, tenant: "b"),
      InferenceRequest(
        prompt: .chat([.system("Lie."), .user(question)]),
        context: RequestContext(tenant: "a")
      ),
      InferenceRequest(
        prompt: .chat([.user("In feet."), .assistant("Ok."), .user(question)]),
        context: RequestContext(tenant: "a")
      ),
    ]
    for request in requests {
      #expect(try await ask(layers, model, request).text == "You asked: \(question)")
    }
  }

  @Test("the embedding is made once and handed on")
  func handsOn() async throws {
    let (_, layers) = makeLayers()
    _ = try await ask(layers, model, InferenceRequest("How wide is a house?", tenant: "a"))
    #expect(model.requests.first?.embedding == TextEmbedding(values: [0, 1], embedder: embedder.profile))
  }

  @Test(
    "an embedder that fails, or gives no number, is a miss",
    arguments: [[Float.nan, 0], [0, 0], [.infinity, 1]]
  )
  func badEmbedding(vector: [Float]) async throws {
    var bad = embedder
    bad.table["bad"] = vector
    let (_, layers) = makeLayers(embedder: bad)
    #expect(try await ask(layers, model, InferenceRequest("bad", tenant: "a")).text == "You asked: bad")
    bad.failure = RequestError(.unavailable, "no encoder")
    let (cache, failing) = makeLayers(embedder: bad)
    #expect(try await ask(failing, model, InferenceRequest("other", tenant: "a")).text == "You asked: other")
    #expect(await cache.statistics().failures > 0)
  }

  @Test("the vectors come back from the store after a restart")
  func restart() async throws {
    let store = InMemoryCacheStore(options: .init(seed: 1))
    let (_, before) = makeLayers(store)
    _ = try await ask(before, model, InferenceRequest("How tall is K2?", tenant: "a"))
    let (_, after) = makeLayers(store)
    let other = try await ask(after, model, InferenceRequest("Please tell me how tall K2 is.", tenant: "a"))
    #expect(other.text == "You asked: How tall is K2?")
  }

  @Test("vectors that could not be loaded are loaded at the next question", arguments: [false, true])
  func failedLoad(isCancelled: Bool) async throws {
    let inner = InMemoryCacheStore(options: .init(seed: 1))
    let (_, before) = makeLayers(inner)
    _ = try await ask(before, model, InferenceRequest("How tall is K2?", tenant: "a"))
    let store = FailingStore(
      inner,
      failure: isCancelled ? CancellationError() : CacheError(.storeFailed, "The disk is gone.")
    )
    let (_, after) = makeLayers(store)
    store.isFailing.withLock { $0 = true }
    // The exact cache asks the store too; here only the loading is meant to fail.
    let first = try? await ask([after[1]], model, InferenceRequest("How wide is a house?", tenant: "a"))
    #expect((first == nil) == isCancelled)
    store.isFailing.withLock { $0 = false }
    let other = try await ask(after, model, InferenceRequest("Please tell me how tall K2 is.", tenant: "a"))
    #expect(other.text == "You asked: How tall is K2?")
  }

  @Test("vectors take no more memory than they may, and what left memory comes back from the store")
  func bounded() async throws {
    let store = InMemoryCacheStore()
    let cache = ResponseCache(store: store, model: testProfile, corpusEpoch: { 0 })
    let embedder = TableEmbedder()
    // Room for about two entries of some 300 bytes.
    let semantic = SemanticCacheMiddleware(
      cache: cache,
      embedder: embedder,
      options: .init(maximumBytes: 700)
    )
    let model = ScriptedLanguageModel { _ in .text("good") }
    for tenant in 0..<9 {
      _ = try await ask([semantic], model, InferenceRequest("question", tenant: TenantID("\(tenant)")))
    }
    #expect(model.requests.count == 9)
    #expect(semantic.vectorBytes <= 700 && semantic.vectorBytes > 0)
    let other = try await ask([semantic], model, InferenceRequest("question?", tenant: "0"))
    guard case .semanticCache = other.summary.provenance.answeredBy else {
      Issue.record("answered by \(other.summary.provenance.answeredBy)")
      return
    }
    #expect(semantic.vectorBytes <= 700)
  }

  @Test("what the store has let go of is not served")
  func evicted() async throws {
    let store = InMemoryCacheStore(options: .init(seed: 1))
    let (cache, layers) = makeLayers(store)
    _ = try await ask(layers, model, InferenceRequest("How tall is K2?", tenant: "a"))
    try await cache.removeAll(of: "a")
    let other = try await ask(layers, model, InferenceRequest("Please tell me how tall K2 is.", tenant: "a"))
    #expect(other.text == "You asked: Please tell me how tall K2 is.")
  }
}

@Suite("The evaluation of a semantic cache")
struct SemanticCacheEvaluationTests {
  @Test("counts what was served, and what should not have been")
  func counts() async throws {
    let pairs: [SemanticCacheEvaluation.Pair] = [
      .init(stored: "a b", asked: "a b", isSame: true), .init(stored: "a b", asked: "c d", isSame: true),
      .init(stored: "x 1", asked: "x 2", isSame: false), .init(stored: "q", asked: "q?", isSame: false),
    ]
    let scored = try await SemanticCacheEvaluation.score(pairs, with: HashingTextEmbedder())
    #expect(scored[0].similarity > 0.999)
    let with = SemanticCacheEvaluation.sweep(scored, thresholds: [0.999])[0]
    #expect(with.served == 2 && with.falseHits == 1 && with.hitRate == 0.5 && with.falseHitRate == 0.5)
    let without = SemanticCacheEvaluation.sweep(scored, thresholds: [-1], cacheGuard: CacheGuard(checks: []))[
      0
    ]
    #expect(without.served == 4 && without.falseHits == 2)
  }
}
