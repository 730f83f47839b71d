// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// What a text search found, and what it took.
public struct TextSearchResult: Sendable {
  /// The documents, best first.
  public var matches: [ScoredDocument]
  /// Bytes of postings and scores that were read.
  public var scannedBytes: Int
  /// CPU time of the search.
  public var cpuTime: Duration

  /// Creates a result.
  public init(matches: [ScoredDocument], scannedBytes: Int = 0, cpuTime: Duration = .zero) {
    self.matches = matches
    self.scannedBytes = scannedBytes
    self.cpuTime = cpuTime
  }
}
