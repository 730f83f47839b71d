// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A store that writes in microseconds, without waiting, so that answers need no write-behind buffer.
public protocol ImmediateCacheStore: CacheStore {
  /// Stores an answer at once.
  ///
  /// - Parameters:
  ///   - answer: The answer.
  ///   - key: What it is stored under.
  ///   - timeToLive: How long it is fresh; `nil` for the store's own default.
  /// - Returns: Whether it was kept; else what was stored under the key before is gone too.
  @discardableResult
  func setNow(_ answer: CachedAnswer, for key: CacheKey, timeToLive: Duration?) -> Bool
}
