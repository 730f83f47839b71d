// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// What a search in a vector index found, and what it took.
public struct VectorSearchResult: Sendable {
  /// For each query its matches, most alike first.
  public var matches: [[VectorMatch]]
  /// Bytes of vectors that were read.
  public var scannedBytes: Int
  /// CPU time of the search.
  public var cpuTime: Duration

  /// Creates a result.
  public init(matches: [[VectorMatch]], scannedBytes: Int = 0, cpuTime: Duration = .zero) {
    self.matches = matches
    self.scannedBytes = scannedBytes
    self.cpuTime = cpuTime
  }
}
