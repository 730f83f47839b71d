// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// Answers a request that has been asked before, word for word.
///
/// The hit is served with no tokens and no cost, as ``AnswerSource/exactCache(entry:isStale:)``. Another wording that the
/// semantic cache once answered is found here too, and is then marked as the semantic hit that it is.
///
/// ```swift
/// let exact = ExactCacheMiddleware(cache: cache)
/// let stream = try await exact.intercept(request) { try await model.generate($0) }
/// ```
public struct ExactCacheMiddleware: InferenceMiddleware {
  /// The answers.
  public let cache: ResponseCache

  static let stage = "exactCache"
  static let fillStage = "cacheFill"

  /// Creates a middleware.
  ///
  /// - Parameter cache: The answers; share it with the semantic middleware.
  public init(cache: ResponseCache) { self.cache = cache }

  /// Serves a stored answer, or passes the request on and keeps the answer that comes back.
  ///
  /// - Parameters:
  ///   - request: The request.
  ///   - next: What answers on a miss.
  /// - Returns: The answer.
  /// - Throws: Whatever `next` throws; `RequestError` with code `deadlineExceeded` when the deadline passes before the
  ///   store answers; else never because of the cache.
  public func intercept(
    _ request: InferenceRequest,
    next: @escaping @Sendable (InferenceRequest) async throws -> GenerationStream
  ) async throws -> GenerationStream {
    let policy = request.context.cachePolicy
    let trace = request.context.trace
    guard policy.allowsExactHit || policy.allowsStore || policy.allowsStale, let key = cache.key(for: request)
    else {
      return try await next(request)
    }
    let generation = cache.generation
    var stale: StaleFallback?
    if policy.allowsExactHit || policy.allowsStale {
      let hit = try await trace.measure(Self.stage) { line -> CacheHit? in
        let found = try await request.context.beforeDeadline("the exact cache") { [cache] in
          try await cache.lookUp(key, allowingStale: policy.allowsStale)
        }
        let hit = found.flatMap { $0.answer.alias == nil || policy.allowsSemanticHit ? $0 : nil }
        line.note = hit.map { $0.isStale ? "stale" : $0.answer.alias == nil ? "hit" : "alias" } ?? "miss"
        return hit
      }
      if let hit {
        let source: AnswerSource =
          if let alias = hit.answer.alias {
            .semanticCache(entry: alias.entry, similarity: alias.similarity, isStale: hit.isStale)
          } else {
            .exactCache(entry: hit.answer.entryName(key), isStale: hit.isStale)
          }
        guard hit.isStale || !policy.allowsExactHit else {
          return hit.answer.stream(answeredBy: source, trace: trace)
        }
        if policy.allowsStale { stale = StaleFallback(stage: Self.stage, hit: hit, source: source) }
      }
    }
    let stream =
      if let stale { try await stale.call(request, next) } else { try await next(request) }
    guard policy.allowsStore else { return stream }
    return stream.capturing(for: cache) { [cache] completion in
      // The semantic cache, inside this one, has stored the same answer with its vector.
      let isStored = trace.stages.contains { $0.stage == Self.fillStage && $0.note == key.digest.description }
      guard !isStored else { return }
      cache.fill(CachedAnswer(completion, question: request.question), for: key, since: generation)
    }
  }
}
