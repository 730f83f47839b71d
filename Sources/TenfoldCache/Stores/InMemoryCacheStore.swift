// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
public import TenfoldCore

/// A cache in memory, bounded in bytes.
///
/// When it is full it keeps what saves most: tokens by byte times how often it is asked for. A scan of questions asked
/// once does not push out what is asked often. Look-ups and writes take microseconds and are safe from any thread.
///
/// ```swift
/// let store = InMemoryCacheStore(options: .init(capacityInBytes: 256 << 20))
/// let cache = ResponseCache(store: store, model: profile, corpusEpoch: { index.epoch })
/// ```
public final class InMemoryCacheStore: ImmediateCacheStore {
  /// How the cache is bounded; every field has a default.
  public struct Options: Sendable {
    /// The most bytes that are kept.
    public var capacityInBytes: Int
    /// The most bytes of one entry; larger ones are refused.
    public var maximumEntryBytes: Int
    /// How long answers live.
    public var lifetime: CacheLifetime
    /// The seed of the jitter; `nil` draws one.
    public var seed: UInt64?

    /// Creates options.
    public init(
      capacityInBytes: Int = 64 << 20,
      maximumEntryBytes: Int = 1 << 20,
      lifetime: CacheLifetime = CacheLifetime(),
      seed: UInt64? = nil
    ) {
      self.capacityInBytes = capacityInBytes
      self.maximumEntryBytes = maximumEntryBytes
      self.lifetime = lifetime
      self.seed = seed
    }
  }

  private struct State {
    var table: CostAwareEntryTable
    var generator: SeededGenerator
  }

  private let lifetime: CacheLifetime
  private let time: TimeSource
  private let state: Mutex<State>

  /// Creates an empty cache.
  ///
  /// - Parameters:
  ///   - options: How it is bounded.
  ///   - time: Where it reads the time.
  public init(options: Options = Options(), time: TimeSource = .system) {
    self.lifetime = options.lifetime
    self.time = time
    self.state = Mutex(
      State(
        table: CostAwareEntryTable(
          capacityInBytes: options.capacityInBytes,
          maximumEntryBytes: options.maximumEntryBytes,
          staleGrace: options.lifetime.boundedGrace
        ),
        generator: SeededGenerator(seed: options.seed)
      )
    )
  }

  /// Looks several keys up.
  public func answers(for keys: [CacheKey], allowingStale: Bool) async throws -> [CacheHit?] {
    let now = time.now
    return state.withLock { state in
      keys.map { state.table.lookUp($0, allowingStale: allowingStale, now: now) }
    }
  }

  /// Stores an answer at once.
  @discardableResult
  public func setNow(_ answer: CachedAnswer, for key: CacheKey, timeToLive: Duration?) -> Bool {
    let now = time.now
    return state.withLock { state in
      let life = lifetime.draw(timeToLive, using: &state.generator)
      return state.table.insert(answer, for: key, timeToLive: life, now: now)
    }
  }

  /// Stores an answer.
  @discardableResult
  public func set(_ answer: CachedAnswer, for key: CacheKey, timeToLive: Duration?) async throws -> Bool {
    setNow(answer, for: key, timeToLive: timeToLive)
  }

  /// Removes entries.
  @discardableResult
  public func remove(_ keys: [CacheKey]) async throws -> Int {
    state.withLock { $0.table.remove(keys) }
  }

  /// Removes every entry that draws on one of these documents.
  @discardableResult
  public func invalidate(documents: Set<DocumentID>) async throws -> Int {
    state.withLock { $0.table.invalidate(documents) }
  }

  /// Removes everything that a tenant caused.
  @discardableResult
  public func removeAll(of tenant: TenantID) async throws -> Int {
    state.withLock { state in
      state.table.remove(state.table.entries.keys.filter { $0.namespace.tenant == tenant })
    }
  }

  /// Evicts the least valuable entries.
  @discardableResult
  public func evict(toBytes bytes: Int) async throws -> Int {
    let now = time.now
    return state.withLock { $0.table.evict(toBytes: bytes, now: now) }
  }

  /// The questions of a namespace that have vectors, the newest first.
  public func embeddedEntries(in namespace: CacheNamespace, limit: Int) async throws -> [EmbeddedEntry] {
    let now = time.now
    return state.withLock { $0.table.embedded(in: namespace, limit: limit, now: now) }
  }

  /// How the store has been doing.
  public func statistics() async -> CacheStatistics { state.withLock { $0.table.statistics } }
}
