// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Something that looks at candidates again, more closely than the search that found them.
public protocol Reranker: Sendable {
  /// Orders candidates anew.
  ///
  /// - Parameters:
  ///   - passages: The candidates.
  ///   - query: What was looked for.
  /// - Returns: The same passages with new scores, best first.
  /// - Throws: The reranker's own error when it can't run.
  func rerank(_ passages: [RetrievedPassage], for query: RetrievalQuery) async throws -> [RetrievedPassage]
}
