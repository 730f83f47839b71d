// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// Something that keeps answers.
///
/// Every implementation passes `CacheStoreContract` of `TenfoldTesting`. A store compares keys in full, never only
/// their digests.
///
/// ```swift
/// let store = InMemoryCacheStore()
/// try await store.set(answer, for: key, timeToLive: .seconds(600))
/// let hit = try await store.answer(for: key)
/// ```
public protocol CacheStore: Sendable {
  /// Looks several keys up.
  ///
  /// - Parameters:
  ///   - keys: What to look for.
  ///   - allowingStale: Whether an entry whose time is over, and which is still there, is given as well, flagged.
  /// - Returns: One hit or `nil` for each key, in order.
  /// - Throws: ``CacheError`` when the store can't be read; never for a miss.
  func answers(for keys: [CacheKey], allowingStale: Bool) async throws -> [CacheHit?]

  /// Stores an answer in place of the one that is there.
  ///
  /// - Parameters:
  ///   - answer: The answer.
  ///   - key: What it is stored under.
  ///   - timeToLive: How long it is fresh; `nil` for the store's own default.
  /// - Returns: Whether it was kept; a store may refuse what is too large, has no time to live or is worth too little. What
  ///   was stored under the key before is gone then too, as the new answer was to replace it.
  /// - Throws: ``CacheError`` with code ``CacheError/Code/storageFull`` or ``CacheError/Code/storeFailed``; what was
  ///   stored before is intact.
  @discardableResult
  func set(_ answer: CachedAnswer, for key: CacheKey, timeToLive: Duration?) async throws -> Bool

  /// Removes entries.
  ///
  /// - Parameter keys: What they are stored under; those that are not there are skipped.
  /// - Returns: How many were removed.
  /// - Throws: ``CacheError`` when the store can't be written.
  @discardableResult
  func remove(_ keys: [CacheKey]) async throws -> Int

  /// Removes every entry that draws on one of these documents.
  ///
  /// - Parameter documents: The documents that changed.
  /// - Returns: How many entries were removed.
  /// - Throws: ``CacheError`` when the store can't be written.
  @discardableResult
  func invalidate(documents: Set<DocumentID>) async throws -> Int

  /// Removes everything that a tenant caused.
  ///
  /// - Parameter tenant: The tenant.
  /// - Returns: How many entries were removed.
  /// - Throws: ``CacheError`` when the store can't be written.
  @discardableResult
  func removeAll(of tenant: TenantID) async throws -> Int

  /// Evicts the least valuable entries.
  ///
  /// - Parameter bytes: At most this many bytes stay.
  /// - Returns: How many entries were evicted.
  /// - Throws: ``CacheError`` when the store can't be written.
  @discardableResult
  func evict(toBytes bytes: Int) async throws -> Int

  /// The questions of a namespace that have vectors, so that a semantic index can be rebuilt.
  ///
  /// - Parameters:
  ///   - namespace: Only entries of this namespace are given.
  ///   - limit: At most this many, the newest first.
  /// - Returns: Fresh entries only, and no aliases.
  /// - Throws: ``CacheError`` when the store can't be read.
  func embeddedEntries(in namespace: CacheNamespace, limit: Int) async throws -> [EmbeddedEntry]

  /// How the store has been doing.
  func statistics() async -> CacheStatistics
}

extension CacheStore {
  /// Looks one key up.
  ///
  /// - Parameters:
  ///   - key: What to look for.
  ///   - allowingStale: Whether an entry whose time is over is given as well.
  /// - Returns: The hit, or `nil`.
  /// - Throws: ``CacheError`` when the store can't be read.
  public func answer(for key: CacheKey, allowingStale: Bool = false) async throws -> CacheHit? {
    try await answers(for: [key], allowingStale: allowingStale).first ?? nil
  }
}
