// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// What a search found.
public struct RetrievalResult: Sendable {
  /// The passages, best first.
  public var passages: [RetrievedPassage]
  /// The name of the tier or method that had the last word: `sparse`, `dense`, `hybrid`, `rerank`, `hotQuery` and others.
  public var answeredBy: String
  /// Whether a shard or tier is missing from the result.
  public var isPartial: Bool
  /// The state of the index that was searched; grows with every change to it.
  public var epoch: UInt64

  /// Creates a result.
  public init(passages: [RetrievedPassage], answeredBy: String, isPartial: Bool = false, epoch: UInt64 = 0) {
    self.passages = passages
    self.answeredBy = answeredBy
    self.isPartial = isPartial
    self.epoch = epoch
  }
}
