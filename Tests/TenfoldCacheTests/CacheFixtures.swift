// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import TenfoldCache
import TenfoldCore
import TenfoldTesting

let testProfile = ModelProfile(id: "scripted", contextLength: 4096)

func makeKey(_ question: String, tenant: TenantID = "a", epoch: UInt64 = 0) -> CacheKey {
  CacheKey(
    namespace: CacheNamespace(
      of: InferenceRequest(question, tenant: tenant),
      model: testProfile,
      corpusEpoch: epoch
    ),
    question: question
  )
}

func makeAnswer(
  _ question: String,
  _ text: String = "answer",
  tokens: Int = 10,
  documents: [DocumentID] = []
) -> CachedAnswer {
  CachedAnswer(
    Completion(
      text: text,
      summary: GenerationSummary(
        reason: .endOfText,
        usage: TokenUsage(promptTokens: 0, completionTokens: tokens),
        provenance: Provenance(answeredBy: .model(id: "scripted", tier: .small), documents: documents)
      )
    ),
    question: question
  )
}

/// A model behind cache layers, outermost first.
func ask(
  _ layers: [any InferenceMiddleware],
  _ model: any LanguageModel,
  _ request: InferenceRequest
) async throws -> Completion {
  var next: @Sendable (InferenceRequest) async throws -> GenerationStream = { try await model.generate($0) }
  for layer in layers.reversed() {
    let inner = next
    next = { try await layer.intercept($0, next: inner) }
  }
  return try await next(request).collect()
}

/// A store whose accesses fail while the switch is on.
final class FailingStore: CacheStore {
  let inner: InMemoryCacheStore
  let isFailing = Mutex(false)
  private let failure: any Error

  init(
    _ inner: InMemoryCacheStore,
    failure: any Error = CacheError(.storageFull, "The disk is full.")
  ) {
    self.inner = inner
    self.failure = failure
  }

  private func check() throws {
    if isFailing.withLock({ $0 }) { throw failure }
  }

  func answers(for keys: [CacheKey], allowingStale: Bool) async throws -> [CacheHit?] {
    try check()
    return try await inner.answers(for: keys, allowingStale: allowingStale)
  }
  func set(_ answer: CachedAnswer, for key: CacheKey, timeToLive: Duration?) async throws -> Bool {
    try check()
    return try await inner.set(answer, for: key, timeToLive: timeToLive)
  }
  func remove(_ keys: [CacheKey]) async throws -> Int { try await inner.remove(keys) }
  func invalidate(documents: Set<DocumentID>) async throws -> Int {
    try await inner.invalidate(documents: documents)
  }
  func removeAll(of tenant: TenantID) async throws -> Int { try await inner.removeAll(of: tenant) }
  func evict(toBytes bytes: Int) async throws -> Int { try await inner.evict(toBytes: bytes) }
  func embeddedEntries(in namespace: CacheNamespace, limit: Int) async throws -> [EmbeddedEntry] {
    try check()
    return try await inner.embeddedEntries(in: namespace, limit: limit)
  }
  func statistics() async -> CacheStatistics { await inner.statistics() }
}

/// A store whose writes take effect only when the test says so, also those of a task that is cancelled.
final class HeldStore: CacheStore {
  let inner = InMemoryCacheStore(options: .init(seed: 1))
  /// Writes that were begun.
  let begun = WatchedState(0)
  private let gate = Mutex((isOpen: false, waiters: [CheckedContinuation<Void, Never>]()))

  func release() {
    let waiters = gate.withLock { gate in
      gate.isOpen = true
      defer { gate.waiters = [] }
      return gate.waiters
    }
    for waiter in waiters { waiter.resume() }
  }

  func answers(for keys: [CacheKey], allowingStale: Bool) async throws -> [CacheHit?] {
    try await inner.answers(for: keys, allowingStale: allowingStale)
  }
  func set(_ answer: CachedAnswer, for key: CacheKey, timeToLive: Duration?) async throws -> Bool {
    begun.withLock { $0 += 1 }
    await withCheckedContinuation { continuation in
      let isOpen = gate.withLock { gate in
        if !gate.isOpen { gate.waiters.append(continuation) }
        return gate.isOpen
      }
      if isOpen { continuation.resume() }
    }
    return try await inner.set(answer, for: key, timeToLive: timeToLive)
  }
  func remove(_ keys: [CacheKey]) async throws -> Int { try await inner.remove(keys) }
  func invalidate(documents: Set<DocumentID>) async throws -> Int {
    try await inner.invalidate(documents: documents)
  }
  func removeAll(of tenant: TenantID) async throws -> Int { try await inner.removeAll(of: tenant) }
  func evict(toBytes bytes: Int) async throws -> Int { try await inner.evict(toBytes: bytes) }
  func embeddedEntries(in namespace: CacheNamespace, limit: Int) async throws -> [EmbeddedEntry] {
    try await inner.embeddedEntries(in: namespace, limit: limit)
  }
  func statistics() async -> CacheStatistics { await inner.statistics() }
}

/// A model that answers when the test says so.
struct HeldModel: LanguageModel {
  let profile = testProfile
  /// Requests that came.
  let begun = WatchedState(0)
  let isReleased = WatchedState(false)

  func generate(_ request: InferenceRequest) async throws -> GenerationStream {
    begun.withLock { $0 += 1 }
    await isReleased.wait { $0 }
    return try await ScriptedLanguageModel { _ in .text("good") }.generate(request)
  }
}

/// An embedder whose vectors the test chooses.
struct TableEmbedder: TextEmbedder {
  let profile = EmbedderProfile(id: "table", dimension: 2, maxTokens: 100)
  var table: [String: [Float]] = [:]
  var failure: (any Error)?

  func embed(_ texts: [String]) async throws -> EmbeddingBatch {
    if let failure { throw failure }
    return EmbeddingBatch(
      values: texts.flatMap { table[$0] ?? [1, 0] },
      dimension: 2,
      tokenCounts: texts.map { _ in 1 },
      isTruncated: texts.map { _ in false }
    )
  }
}

/// A switch that a test turns.
final class Switch: Sendable {
  let value = Mutex(false)
}

/// A model that says "good" until it is down; then it refuses, or its stream fails before the first word.
struct UnreliableModel: LanguageModel {
  let profile = testProfile
  let isDown: Switch
  let failsInStream: Bool

  func generate(_ request: InferenceRequest) async throws -> GenerationStream {
    guard isDown.value.withLock({ $0 }) else {
      return try await ScriptedLanguageModel { _ in .text("good") }.generate(request)
    }
    let error = RequestError(.unavailable, "down")
    guard failsInStream else { throw error }
    return GenerationStream { _ in throw error }
  }
}
