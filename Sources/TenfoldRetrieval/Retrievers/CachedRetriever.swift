// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
public import TenfoldCore

/// Remembers what was found for queries that come often: the hot-query cache.
///
/// The key is the query's text without differences of case and white space, its filter, its limit and the state of
/// the index, so a change of the index makes every older result unreachable. Holds a number of results and a number of
/// bytes at most, and drops those unused for longest. Partial results are not kept, nor those of filters of over 10,000
/// documents: to tell such filters apart takes longer than to search.
///
/// ```swift
/// let retriever = CachedRetriever(hybrid, epoch: { index.epoch })
/// ```
public final class CachedRetriever: Retriever {
  fileprivate struct Key: Hashable {
    let text: String
    /// The digest of the ids that are allowed.
    let filter: ContentDigest?
    let limit: Int
    let epoch: UInt64
  }

  fileprivate struct Entry {
    var result: RetrievalResult
    var bytes: Int
    var used: UInt64
  }

  fileprivate struct State {
    var results: [Key: Entry] = [:]
    var bytes = 0
    var clock: UInt64 = 0
    var hits = 0
    var misses = 0
  }

  private let retriever: any Retriever
  private let epoch: @Sendable () -> UInt64
  private let capacity: Int
  private let maximumBytes: Int
  private let state = Mutex(State())

  /// Creates a cache around a retriever.
  ///
  /// - Parameters:
  ///   - retriever: Finds what is not in the cache.
  ///   - capacity: How many results are kept; 1 or more.
  ///   - maximumBytes: About how much memory they may take; a result that is larger alone is not kept.
  ///   - epoch: The state of the index that the retriever searches.
  public init(
    _ retriever: any Retriever,
    capacity: Int = 10_000,
    maximumBytes: Int = 64 << 20,
    epoch: @escaping @Sendable () -> UInt64
  ) {
    self.retriever = retriever
    self.capacity = max(1, capacity)
    self.maximumBytes = max(0, maximumBytes)
    self.epoch = epoch
  }

  /// How many queries were answered from the cache and how many were not.
  public var statistics: (hits: Int, misses: Int) { state.withLock { ($0.hits, $0.misses) } }

  /// About how many bytes the results take.
  public var bytes: Int { state.withLock { $0.bytes } }

  /// Finds passages, in the cache if they are there; a hit writes the stage `retrieval.hotQuery`.
  ///
  /// - Parameter query: What to look for.
  /// - Returns: The result; from the cache it says that `hotQuery` answered.
  /// - Throws: What the retriever throws.
  public func retrieve(_ query: RetrievalQuery) async throws -> RetrievalResult {
    guard (query.allowedDocuments?.count ?? 0) <= Self.largestFilter else {
      return try await retriever.retrieve(query)
    }
    let key = Key(
      text: query.text.lowercased().split(whereSeparator: \.isWhitespace).joined(separator: " "),
      filter: query.allowedDocuments.map(Self.digest),
      limit: query.limit,
      epoch: epoch()
    )
    if var known = lookUp(key) {
      known.answeredBy = "hotQuery"
      query.trace?.record(
        StageRecord(stage: "retrieval.hotQuery", work: .zero, note: "\(known.passages.count) passages")
      )
      return known
    }
    let result = try await retriever.retrieve(query)
    // Made while the index changed: neither epoch describes it.
    if !result.isPartial, epoch() == key.epoch { store(result, key) }
    return result
  }

  private func lookUp(_ key: Key) -> RetrievalResult? {
    state.withLock { state in
      state.clock += 1
      guard let found = state.results[key] else {
        state.misses += 1
        return nil
      }
      state.hits += 1
      state.results[key]?.used = state.clock
      return found.result
    }
  }

  private func store(_ result: RetrievalResult, _ key: Key) {
    let bytes = Self.byteCount(of: result, key)
    guard bytes <= maximumBytes else { return }
    state.withLock { state in
      if let old = state.results.removeValue(forKey: key) { state.bytes -= old.bytes }
      while state.results.count >= capacity || state.bytes + bytes > maximumBytes { state.dropOlderHalf() }
      state.clock += 1
      state.results[key] = Entry(result: result, bytes: bytes, used: state.clock)
      state.bytes += bytes
    }
  }

  /// The largest filter that is told apart from others.
  private static let largestFilter = 10_000

  private static func digest(of documents: Set<DocumentID>) -> ContentDigest {
    var hasher = ContentDigest.Hasher()
    for document in documents.sorted() { hasher.append(document.rawValue) }
    return hasher.finish()
  }

  /// About how much memory a result takes with its key: texts, and 128 bytes for the fixed fields of each part.
  private static func byteCount(of result: RetrievalResult, _ key: Key) -> Int {
    result.passages.reduce(256 + key.text.utf8.count) { sum, passage in
      sum + 128 + passage.document.rawValue.utf8.count + passage.title.utf8.count + passage.text.utf8.count
    }
  }
}

extension CachedRetriever.State {
  /// Drops the older half at once, so that the cost of finding it is shared by many insertions.
  fileprivate mutating func dropOlderHalf() {
    let uses = results.values.map(\.used).sorted()
    let median = uses[uses.count / 2]
    results = results.filter { $0.value.used > median }
    bytes = results.values.reduce(0) { $0 + $1.bytes }
  }
}
