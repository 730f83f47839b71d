// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// Answers a request whose meaning has been asked before in other words.
///
/// The question is embedded once; the vector is handed on in ``InferenceRequest/embedding``, where retrieval and routing
/// find it. Only entries of the request's own ``CacheNamespace`` are looked at, and the nearest is served only if
/// ``SemanticServePolicy`` says so. A wording that was served gets an entry of its own that points to the answer's, so
/// that its repeats are found without a vector.
///
/// ```swift
/// let semantic = SemanticCacheMiddleware(cache: cache, embedder: encoder, options: .init(policy: .init(threshold: 0.97)))
/// ```
public final class SemanticCacheMiddleware: InferenceMiddleware {
  /// When answers are served and how many vectors are kept; every field has a default.
  public struct Options: Sendable {
    /// When an answer is served for other words.
    public var policy: SemanticServePolicy
    /// How many vectors are kept in memory for each namespace; the oldest leave first.
    public var entriesPerNamespace: Int
    /// For how many namespaces vectors are kept; the one not used for longest leaves first.
    public var namespaceLimit: Int
    /// About how many bytes all vectors and their questions may take; the namespace not used for longest leaves first.
    public var maximumBytes: Int

    /// Creates options.
    public init(
      policy: SemanticServePolicy = SemanticServePolicy(),
      entriesPerNamespace: Int = 20_000,
      namespaceLimit: Int = 1_000,
      maximumBytes: Int = 1 << 30
    ) {
      self.maximumBytes = maximumBytes
      self.policy = policy
      self.entriesPerNamespace = entriesPerNamespace
      self.namespaceLimit = namespaceLimit
    }
  }

  /// The answers.
  public let cache: ResponseCache
  /// When answers are served.
  public let options: Options
  private let embedder: any TextEmbedder
  private let index: SemanticIndex

  /// About how many bytes the vectors and their questions take in memory.
  public var vectorBytes: Int { index.bytes }

  static let stage = "semanticCache"

  /// Creates a middleware.
  ///
  /// - Parameters:
  ///   - cache: The answers; share it with the exact middleware.
  ///   - embedder: What turns questions into vectors.
  ///   - options: When answers are served.
  public init(cache: ResponseCache, embedder: any TextEmbedder, options: Options = Options()) {
    self.cache = cache
    self.embedder = embedder
    self.options = options
    self.index = SemanticIndex(
      profile: embedder.profile,
      entriesPerNamespace: options.entriesPerNamespace,
      namespaceLimit: options.namespaceLimit,
      maximumBytes: options.maximumBytes
    )
  }

  private struct Found: Sendable {
    var hit: CacheHit
    var key: CacheKey
    var similarity: Float
  }

  /// Forgets everything that a tenant caused: the stored answers, also the exact ones, and the questions' vectors.
  ///
  /// - Parameter tenant: The tenant.
  /// - Returns: How many answers were forgotten.
  /// - Throws: ``CacheError`` when the store can't be written; the vectors are gone all the same.
  @discardableResult
  public func removeAll(of tenant: TenantID) async throws -> Int {
    index.removeAll(of: tenant)
    let count = try await cache.removeAll(of: tenant)
    // What was being stored meanwhile.
    index.removeAll(of: tenant)
    return count
  }

  /// Serves the answer to a question of the same meaning, or passes the request on and keeps the answer.
  ///
  /// - Parameters:
  ///   - request: The request.
  ///   - next: What answers on a miss; it gets the request with its embedding.
  /// - Returns: The answer.
  /// - Throws: Whatever `next` throws, `CancellationError`; `RequestError` with code `deadlineExceeded` when the deadline
  ///   passes before the embedder or the store answers; else never because of the cache or the embedder.
  public func intercept(
    _ request: InferenceRequest,
    next: @escaping @Sendable (InferenceRequest) async throws -> GenerationStream
  ) async throws -> GenerationStream {
    let policy = request.context.cachePolicy
    guard policy.allowsSemanticHit || policy.allowsStore, let key = cache.key(for: request) else {
      return try await next(request)
    }
    let generation = cache.generation
    var request = request
    var found: Found?
    let context = request.context
    let trace = context.trace
    let question = request.question
    let given = request.embedding
    let embedding = try await trace.measure(Self.stage) { line -> TextEmbedding? in
      guard let embedding = try await embed(question, given: given, context, note: &line.note) else {
        return nil
      }
      if policy.allowsSemanticHit {
        (found, line.note) = try await context.beforeDeadline("the semantic cache") { [self] in
          var note = ""
          let found = try await find(question, embedding, key, allowsStale: policy.allowsStale, note: &note)
          return (found, note)
        }
      } else {
        line.note = "not asked"
      }
      return embedding
    }
    request.embedding = embedding ?? request.embedding
    var stale: StaleFallback?
    if let found {
      let source = AnswerSource.semanticCache(
        entry: found.hit.answer.entryName(found.key),
        similarity: found.similarity,
        isStale: found.hit.isStale
      )
      guard found.hit.isStale else {
        if policy.allowsStore, found.key != key {
          keepAlias(of: found, for: key, question: question, since: generation)
        }
        return found.hit.answer.stream(answeredBy: source, trace: trace)
      }
      stale = StaleFallback(stage: Self.stage, hit: found.hit, source: source)
    }
    let stream =
      if let stale { try await stale.call(request, next) } else { try await next(request) }
    guard policy.allowsStore, let embedding else { return stream }
    return stream.capturing(for: cache) { [cache, index] completion in
      let answer = CachedAnswer(completion, question: question, embedding: embedding)
      guard cache.fill(answer, for: key, since: generation) else { return }
      _ = index.add(EmbeddedEntry(key: key, question: question, embedding: embedding))
      // An erasure that looked through the index before this has noted itself before that.
      if cache.isOutdated(since: generation, tenant: key.namespace.tenant, documents: answer.documents) {
        index.remove(key)
      }
      trace.record(
        StageRecord(stage: ExactCacheMiddleware.fillStage, work: .zero, note: key.digest.description)
      )
    }
  }

  // MARK: - Private

  private func embed(
    _ question: String,
    given: TextEmbedding?,
    _ context: RequestContext,
    note: inout String
  ) async throws -> TextEmbedding? {
    if let given, given.embedder == embedder.profile { return given }
    do {
      let embedding = try await context.beforeDeadline("the embedding") { [embedder] in
        try await embedder.embed(question)
      }
      let norm = embedding.values.reduce(0) { $0 + $1 * $1 }
      guard norm.isFinite, norm > 0, embedding.values.count == embedder.profile.dimension else {
        throw CacheError(.invalidEmbedding, "The vector of the question is not finite, or has no length.")
      }
      return embedding
    } catch let error as CancellationError {
      throw error
    } catch let error as RequestError where error.code == .deadlineExceeded {
      throw error
    } catch {
      cache.note(failure: error)
      note = "degraded: \(error)"
      return nil
    }
  }

  private func find(
    _ question: String,
    _ embedding: TextEmbedding,
    _ key: CacheKey,
    allowsStale: Bool,
    note: inout String
  ) async throws -> Found? {
    do {
      if index.open(key.namespace) { try await load(key.namespace) }
      var near = try await index.neighbours(
        of: embedding.values,
        in: key.namespace,
        limit: options.policy.candidateLimit
      )
      while true {
        let candidates = near.map {
          SemanticServePolicy.Candidate(question: $0.question, similarity: $0.similarity)
        }
        switch options.policy.decide(question, among: candidates) {
        case .serve(let position):
          let chosen = near[position]
          let stored = try await cache.store.answer(for: chosen.key, allowingStale: true)
          // An alias holds the answer to yet another wording, with which this question was not compared.
          if let hit = stored, hit.answer.alias == nil {
            guard !hit.isStale || allowsStale else {
              near.remove(at: position)
              continue
            }
            note = "\(hit.isStale ? "stale" : "hit") at \(chosen.similarity)"
            return Found(hit: hit, key: chosen.key, similarity: chosen.similarity)
          }
          // The store has let go of it, or of the answer that was this wording's own.
          index.remove(chosen.key)
          near.remove(at: position)
        case .tooFar(let similarity):
          note = similarity.map { "miss, nearest \($0)" } ?? "miss"
          return nil
        case .vetoed(let check):
          note = "miss, guard vetoed (\(check.name))"
          return nil
        }
      }
    } catch let error as CancellationError {
      throw error
    } catch {
      cache.note(failure: error)
      note = "degraded: \(error)"
      return nil
    }
  }

  /// Takes the vectors of a namespace over from the store; one who is cancelled, or whom the store fails, leaves that to
  /// the next.
  private func load(_ namespace: CacheNamespace) async throws {
    let generation = cache.generation
    do {
      let stored = try await cache.store.embeddedEntries(in: namespace, limit: options.entriesPerNamespace)
      for entry in stored.reversed() { _ = index.add(entry) }
    } catch {
      index.abandonLoad(namespace)
      throw error
    }
    let tenant = namespace.tenant
    if cache.isOutdated(since: generation, tenant: tenant, documents: []) { index.removeAll(of: tenant) }
  }

  private func keepAlias(of found: Found, for key: CacheKey, question: String, since generation: UInt64) {
    var answer = found.hit.answer
    answer.alias = CachedAnswer.Alias(entry: answer.entryName(found.key), similarity: found.similarity)
    answer.question = question
    answer.embedding = nil
    cache.fill(answer, for: key, since: generation, timeToLive: found.hit.remaining)
  }
}

extension CacheGuard.Checks {
  /// The name of the first check in the set.
  var name: String {
    if contains(.numbers) { return "numbers" }
    if contains(.negation) { return "negation" }
    if contains(.names) { return "names" }
    if contains(.order) { return "order" }
    return "substitution"
  }
}
