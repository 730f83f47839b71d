// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// How a cache has been doing since it was created.
public struct CacheStatistics: Hashable, Sendable, Codable {
  /// Entries kept now.
  public var entries = 0
  /// Bytes that they take.
  public var bytes = 0
  /// The most bytes that are kept, where there is a limit.
  public var capacityInBytes = 0
  /// Look-ups that found a fresh entry.
  public var hits = 0
  /// Look-ups that found an entry whose time was over.
  public var staleHits = 0
  /// Look-ups that found nothing.
  public var misses = 0
  /// Entries written.
  public var insertions = 0
  /// Entries refused: too large, or worth less than what they would push out.
  public var rejections = 0
  /// Entries pushed out by others.
  public var evictions = 0
  /// Entries dropped because their time was over.
  public var expirations = 0
  /// Entries dropped because a document changed or somebody said so.
  public var invalidations = 0
  /// Tokens that hits saved, a generated one counted as four of the prompt.
  public var savedTokens = 0
  /// Answers that were not stored because the write-behind buffer was full.
  public var droppedFills = 0
  /// Answers that could not be stored, or look-ups that failed; each was a miss.
  public var failures = 0
  /// Whether the last access to the store failed, so that it now answers as an empty one.
  public var isDegraded = false

  /// Creates empty statistics.
  public init() {}

  /// The share of look-ups that found a fresh entry, in 0...1.
  public var hitRate: Double {
    let lookups = hits + staleHits + misses
    return lookups == 0 ? 0 : Double(hits) / Double(lookups)
  }
}
