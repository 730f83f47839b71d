// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Something that finds.
///
/// A hybrid, tiered, sharded, replicated or cached retriever is again a `Retriever`.
public protocol Retriever: Sendable {
  /// Finds the passages that fit a query best.
  ///
  /// An empty query, or an index without documents, gives an empty result. Cancelling the task stops the search.
  ///
  /// - Parameter query: What to look for, and how many passages.
  /// - Returns: At most `query.limit` passages, best first; scores are finite and not increasing.
  /// - Throws: The retriever's own error when it can't search at all; a partial result is marked, not thrown.
  func retrieve(_ query: RetrievalQuery) async throws -> RetrievalResult
}
