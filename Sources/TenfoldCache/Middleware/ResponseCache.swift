// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
public import TenfoldCore

/// The answers of one model, or one composition of models, and the rules for keeping them.
///
/// The exact and the semantic middleware share it: each answer is stored once, by a writer that never stands in a
/// reader's way. A store that fails makes misses, not failed requests.
///
/// ```swift
/// let cache = ResponseCache(store: store, model: model.profile, corpusEpoch: { index.epoch })
/// let layers: [any InferenceMiddleware] = [
///   ExactCacheMiddleware(cache: cache), SemanticCacheMiddleware(cache: cache, embedder: encoder),
/// ]
/// try await cache.run()   // in a service group; stores what was answered
/// ```
public final class ResponseCache: Sendable {
  /// What is kept; every field has a default.
  public struct Options: Sendable {
    /// How long answers are fresh; `nil` for the store's default.
    public var timeToLive: Duration?
    /// Longer answers are not kept.
    public var maximumAnswerBytes: Int
    /// Longer questions are neither looked up nor kept.
    public var maximumQuestionBytes: Int
    /// Whether answers drawn at random (a temperature above 0 and no seed) are kept too.
    public var keepsSampledAnswers: Bool
    /// Which spellings count as the very same question.
    public var normalization: KeyNormalization
    /// How many answers wait to be stored before further ones are dropped.
    public var fillBufferCapacity: Int

    /// Creates options.
    public init(
      timeToLive: Duration? = nil,
      maximumAnswerBytes: Int = 64 << 10,
      maximumQuestionBytes: Int = 64 << 10,
      keepsSampledAnswers: Bool = false,
      normalization: KeyNormalization = .whitespace,
      fillBufferCapacity: Int = 1024
    ) {
      self.timeToLive = timeToLive
      self.maximumAnswerBytes = maximumAnswerBytes
      self.maximumQuestionBytes = maximumQuestionBytes
      self.keepsSampledAnswers = keepsSampledAnswers
      self.normalization = normalization
      self.fillBufferCapacity = fillBufferCapacity
    }
  }

  /// Where the answers are kept.
  public let store: any CacheStore
  /// What answers on a miss.
  public let model: ModelProfile
  /// What is kept.
  public let options: Options
  private let corpusEpoch: @Sendable () -> UInt64
  private let queue: CacheFillQueue
  private let failures = Mutex((count: 0, isDegraded: false))
  // Names of documents, some 100 KB at most: the changes of a minute on a busy corpus. What is older stores nothing.
  private let invalidations = Mutex(CacheInvalidationLog(capacity: 4096))

  /// Creates a cache.
  ///
  /// - Parameters:
  ///   - store: Where the answers are kept.
  ///   - model: What answers on a miss; another id or revision never sees these answers.
  ///   - options: What is kept.
  ///   - corpusEpoch: The state of the documents that answers draw on; `{ 0 }` where there are none.
  public init(
    store: any CacheStore,
    model: ModelProfile,
    options: Options = Options(),
    corpusEpoch: @escaping @Sendable () -> UInt64
  ) {
    self.store = store
    self.model = model
    self.options = options
    self.corpusEpoch = corpusEpoch
    self.queue = CacheFillQueue(capacity: options.fillBufferCapacity)
  }

  /// The key under which a request's answer is kept, or `nil` when it must not be cached.
  ///
  /// - Parameter request: The request.
  /// - Returns: The key; `nil` for an empty or very long question, an answer drawn at random, or a request for what
  ///   entries don't hold: log probabilities, or several answers.
  public func key(for request: InferenceRequest) -> CacheKey? {
    guard request.options.logProbabilities == nil, request.options.alternatives == 1 else { return nil }
    guard request.options.temperature == 0 || request.options.seed != nil || options.keepsSampledAnswers,
      request.question.utf8.count <= options.maximumQuestionBytes
    else { return nil }
    let namespace = CacheNamespace(of: request, model: model, corpusEpoch: corpusEpoch())
    let key = CacheKey(namespace: namespace, question: request.question, normalization: options.normalization)
    return key.text.allSatisfy(\.isWhitespace) ? nil : key
  }

  /// Stores answers as they come, until the task is cancelled; then stores what is left and returns.
  ///
  /// Stores that write at once need no `run()`. Stores that fail are counted in ``statistics()``.
  ///
  /// - Throws: ``CacheError`` with code ``CacheError/Code/alreadyRunning`` while another task runs this cache.
  public func run() async throws {
    guard queue.begin() else {
      throw CacheError(.alreadyRunning, "Another task runs this cache already; run it once.")
    }
    defer { queue.end() }
    while await queue.waitForFill() { await flush() }
    await flush()
  }

  /// Stores what is waiting now; what ``run()`` is storing already isn't waited for.
  public func flush() async {
    for fill in queue.takeAll() where !isOutdated(fill) {
      do {
        try await store.set(fill.answer, for: fill.key, timeToLive: fill.timeToLive)
        // What was invalidated meanwhile may not have been in the store yet.
        if isOutdated(fill) { try await store.remove([fill.key]) }
        note(failure: nil)
      } catch {
        note(failure: error)
      }
    }
  }

  /// Forgets every answer that draws on one of these documents.
  ///
  /// An answer whose request came before and which ends after this call is delivered, but not kept. One that is just being
  /// stored is removed as soon as it is.
  ///
  /// - Parameter documents: The documents that changed or went away.
  /// - Returns: How many answers were forgotten.
  /// - Throws: ``CacheError`` when the store can't be written; then call it again, or move the corpus epoch on.
  @discardableResult
  public func invalidate(documents: Set<DocumentID>) async throws -> Int {
    invalidations.withLock { $0.note(.documents(documents)) }
    let waiting = queue.discard { fill in fill.answer.documents.contains(where: documents.contains) }
    return waiting + (try await store.invalidate(documents: documents))
  }

  /// Forgets everything that a tenant caused, also what is being answered or stored just now.
  ///
  /// - Parameter tenant: The tenant.
  /// - Returns: How many answers were forgotten.
  /// - Throws: ``CacheError`` when the store can't be written.
  @discardableResult
  public func removeAll(of tenant: TenantID) async throws -> Int {
    invalidations.withLock { $0.note(.tenant(tenant)) }
    let waiting = queue.discard { $0.key.namespace.tenant == tenant }
    return waiting + (try await store.removeAll(of: tenant))
  }

  /// How the cache and its store have been doing.
  public func statistics() async -> CacheStatistics {
    var statistics = await store.statistics()
    let failures = failures.withLock { $0 }
    statistics.droppedFills += queue.dropped
    statistics.failures = max(statistics.failures, failures.count)
    statistics.isDegraded = statistics.isDegraded || failures.isDegraded
    return statistics
  }

  // MARK: - For the middlewares

  /// Looks a key up; a store that fails has nothing.
  func lookUp(_ key: CacheKey, allowingStale: Bool) async throws -> CacheHit? {
    do {
      let hit = try await store.answer(for: key, allowingStale: allowingStale)
      note(failure: nil)
      return hit
    } catch let error as CancellationError {
      throw error
    } catch {
      note(failure: error)
      return nil
    }
  }

  /// The last invalidation; a request asks for it before it reads anything that its answer draws on.
  var generation: UInt64 { invalidations.withLock { $0.generation } }

  /// Keeps an answer: at once if the store can, else behind the reader's back.
  ///
  /// - Returns: False when it was invalidated since its request came, at `generation`.
  @discardableResult
  func fill(
    _ answer: CachedAnswer,
    for key: CacheKey,
    since generation: UInt64,
    timeToLive: Duration? = nil
  ) -> Bool {
    let life = timeToLive ?? options.timeToLive
    let fill = CacheFillBuffer.Fill(answer: answer, key: key, timeToLive: life, generation: generation)
    if let store = store as? any ImmediateCacheStore {
      // Under the lock, so that an invalidation is either seen here or finds the answer in the store.
      return invalidations.withLock { log in
        guard !log.isOutdated(fill) else { return false }
        store.setNow(answer, for: key, timeToLive: life)
        return true
      }
    }
    guard !isOutdated(fill) else { return false }
    queue.add(fill)
    return true
  }

  /// Whether something that a tenant caused, from these documents, was invalidated since its request came.
  func isOutdated(since generation: UInt64, tenant: TenantID, documents: [DocumentID]) -> Bool {
    invalidations.withLock { $0.isOutdated(since: generation, tenant: tenant, documents: documents) }
  }

  private func isOutdated(_ fill: CacheFillBuffer.Fill) -> Bool {
    invalidations.withLock { $0.isOutdated(fill) }
  }

  func note(failure: (any Error)?) {
    failures.withLock { failures in
      if failure != nil { failures.count += 1 }
      failures.isDegraded = failure != nil
    }
  }

  /// Whether an answer that ended so is the same every time.
  func keeps(_ reason: FinishReason) -> Bool {
    [.endOfText, .stopText, .choice, .maxTokens, .contextFull].contains(reason)
  }
}
