// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCache
import TenfoldCore
import TenfoldTesting
import Testing

@Suite("What is invalidated stays away")
struct CacheInvalidationTests {
  private func request(_ question: String, document: DocumentID = "d") -> InferenceRequest {
    var request = InferenceRequest(question, tenant: "a")
    request.passages = [RetrievedPassage(document: document, text: "t", score: 1)]
    return request
  }

  @Test("an answer that is being stored, and one that waits for it, go too", arguments: [false, true])
  func whileStoring(erases: Bool) async throws {
    let store = HeldStore()
    let model = ScriptedLanguageModel { .text("You asked: \($0.question)") }
    let cache = ResponseCache(store: store, model: model.profile, corpusEpoch: { 0 })
    let exact = ExactCacheMiddleware(cache: cache)
    for question in ["first", "second"] { _ = try await ask([exact], model, request(question)) }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await cache.run() }
      await store.begun.wait { $0 == 1 }
      if erases {
        try await cache.removeAll(of: "a")
      } else {
        try await cache.invalidate(documents: ["d"])
      }
      // What is answered from here on is kept.
      _ = try await ask([exact], model, request("third"))
      store.release()
      group.cancelAll()
    }
    #expect(await cache.statistics().entries == 1)
    for question in ["third", "first", "second"] { _ = try await ask([exact], model, request(question)) }
    #expect(model.requests.map(\.question) == ["first", "second", "third", "first", "second"])
  }

  @Test("an answer that is not stored yet goes, and is counted")
  func whileWaiting() async throws {
    let store = FailingStore(InMemoryCacheStore())
    let model = ScriptedLanguageModel { .text("You asked: \($0.question)") }
    let cache = ResponseCache(store: store, model: model.profile, corpusEpoch: { 0 })
    let exact = ExactCacheMiddleware(cache: cache)
    for name in ["d", "e"] { _ = try await ask([exact], model, request(name, document: DocumentID(name))) }
    #expect(try await cache.invalidate(documents: ["d"]) == 1)
    await cache.flush()
    #expect(await cache.statistics().entries == 1)
    _ = try await ask([exact], model, request("e", document: "e"))
    #expect(model.requests.map(\.question) == ["d", "e"])
  }

  @Test(
    "an answer that is being generated is not kept, nor its question's vector",
    arguments: [false, true],
    [false, true]
  )
  func whileAnswering(isImmediate: Bool, erases: Bool) async throws {
    let inner = InMemoryCacheStore(options: .init(seed: 1))
    let store: any CacheStore = isImmediate ? inner : FailingStore(inner)
    let model = HeldModel()
    let cache = ResponseCache(store: store, model: model.profile, corpusEpoch: { 0 })
    let semantic = SemanticCacheMiddleware(cache: cache, embedder: HashingTextEmbedder())
    let layers: [any InferenceMiddleware] = [ExactCacheMiddleware(cache: cache), semantic]
    let request = request("why is it so?")
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { _ = try await ask(layers, model, request) }
      await model.begun.wait { $0 == 1 }
      if erases {
        try await semantic.removeAll(of: "a")
      } else {
        try await cache.invalidate(documents: ["d"])
      }
      model.isReleased.withLock { $0 = true }
      try await group.waitForAll()
    }
    await cache.flush()
    #expect(await cache.statistics().entries == 0)
    #expect(semantic.vectorBytes == 0)
    for _ in 0..<2 {
      _ = try await ask(layers, model, request)
      await cache.flush()
    }
    #expect(model.begun.withLock { $0 } == 2)
    #expect(await cache.statistics().entries == 1)
  }

  @Test(
    "others' changes leave an answer alone; after more of them than are remembered it is not kept",
    arguments: [(1, true), (5000, false)]
  )
  func others(changes: Int, isKept: Bool) async throws {
    let model = HeldModel()
    let cache = ResponseCache(store: InMemoryCacheStore(), model: model.profile, corpusEpoch: { 0 })
    let exact = ExactCacheMiddleware(cache: cache)
    let request = request("why is it so?")
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { _ = try await ask([exact], model, request) }
      await model.begun.wait { $0 == 1 }
      for change in 0..<changes { try await cache.invalidate(documents: [DocumentID("other \(change)")]) }
      try await cache.removeAll(of: "b")
      model.isReleased.withLock { $0 = true }
      try await group.waitForAll()
    }
    _ = try await ask([exact], model, request)
    #expect(model.begun.withLock { $0 } == (isKept ? 1 : 2))
  }
}
