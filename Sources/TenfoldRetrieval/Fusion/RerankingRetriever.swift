// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// Lets a reranker look again at what a retriever found: the cheap search filters, the close look decides.
///
/// ```swift
/// let retriever = try RerankingRetriever(sparse, reranker: DenseReranker(embedder: embedder))
/// ```
public struct RerankingRetriever: Retriever {
  private let first: any Retriever
  private let reranker: any Reranker
  private let candidateCount: Int

  /// Creates a retriever.
  ///
  /// - Parameters:
  ///   - first: Finds the candidates.
  ///   - reranker: Orders them anew.
  ///   - candidateCount: How many candidates it looks at, in 1...10,000; never fewer than the query asks for.
  /// - Throws: ``RetrievalError`` with code ``RetrievalError/Code/invalidOption``.
  public init(
    _ first: any Retriever,
    reranker: any Reranker,
    candidateCount: Int = 100
  ) throws(RetrievalError) {
    guard (1...RetrievalQuery.maximumLimit).contains(candidateCount) else {
      throw RetrievalError(
        .invalidOption,
        "candidateCount is \(candidateCount); it must be in 1...\(RetrievalQuery.maximumLimit)"
      )
    }
    self.first = first
    self.reranker = reranker
    self.candidateCount = candidateCount
  }

  /// Finds candidates and orders them anew.
  ///
  /// - Parameter query: What to look for.
  /// - Returns: The best of the candidates in the reranker's order.
  /// - Throws: What the retriever or the reranker throws.
  public func retrieve(_ query: RetrievalQuery) async throws -> RetrievalResult {
    let wide = try query.limited(to: max(query.limit, candidateCount))
    var result = try await first.retrieve(wide)
    guard !result.passages.isEmpty else { return result }
    result.passages = Array(try await reranker.rerank(result.passages, for: query).prefix(query.limit))
    result.answeredBy = "rerank"
    return result
  }
}
