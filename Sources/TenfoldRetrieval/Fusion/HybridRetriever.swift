// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// Finds documents by words and by meaning, and fuses the two rankings.
///
/// Both searches run at the same time. If one fails, the other's ranking is the result, marked as partial.
///
/// ```swift
/// let retriever = try HybridRetriever(sparse: sparse, dense: dense, options: .init(fusion: .reciprocalRank))
/// ```
public struct HybridRetriever: Retriever {
  /// How rankings are fused; every field has a default.
  public struct Options: Sendable {
    /// How two rankings become one.
    public var fusion: FusionMethod
    /// How many documents each ranking has before fusion, in 1...10,000; never fewer than the query asks for.
    public var candidateCount: Int

    /// Creates options.
    ///
    /// - Parameters:
    ///   - fusion: How two rankings become one.
    ///   - candidateCount: How many documents each ranking has before fusion, in 1...10,000.
    public init(fusion: FusionMethod = .standard, candidateCount: Int = 100) {
      self.fusion = fusion
      self.candidateCount = candidateCount
    }
  }

  private let sparse: any Retriever
  private let dense: any Retriever
  private let options: Options

  /// Creates a retriever.
  ///
  /// - Parameters:
  ///   - sparse: Ranks by BM25 scores.
  ///   - dense: Ranks by cosines.
  ///   - options: How to fuse.
  /// - Throws: ``RetrievalError`` with code ``RetrievalError/Code/invalidOption``.
  public init(
    sparse: any Retriever,
    dense: any Retriever,
    options: Options = Options()
  ) throws(RetrievalError) {
    guard (1...RetrievalQuery.maximumLimit).contains(options.candidateCount) else {
      throw RetrievalError(
        .invalidOption,
        "candidateCount is \(options.candidateCount); it must be in 1...\(RetrievalQuery.maximumLimit)"
      )
    }
    self.sparse = sparse
    self.dense = dense
    self.options = options
  }

  /// Finds the documents that fit a query best by words and meaning together.
  ///
  /// - Parameter query: What to look for.
  /// - Returns: The first documents of the fused ranking.
  /// - Throws: The dense retriever's error when both fail, or `CancellationError`.
  public func retrieve(_ query: RetrievalQuery) async throws -> RetrievalResult {
    let wide = try query.limited(to: max(query.limit, options.candidateCount))
    async let sparseOutcome = Self.outcome(of: sparse, wide)
    async let denseOutcome = Self.outcome(of: dense, wide)
    let (words, meaning) = await (sparseOutcome, denseOutcome)
    try Task.checkCancellation()
    if case .failure(let error) = meaning, case .failure = words { throw error }
    let found = [words, meaning].compactMap { try? $0.get() }
    let passages = options.fusion.fuse(
      sparse: (try? words.get())?.passages ?? [],
      dense: (try? meaning.get())?.passages ?? []
    )
    return RetrievalResult(
      passages: Array(passages.prefix(query.limit)),
      answeredBy: "hybrid",
      isPartial: found.count < 2 || found.contains(where: \.isPartial),
      epoch: found.map(\.epoch).max() ?? 0
    )
  }

  // Concurrent, so that the two searches use two cores.
  @concurrent
  private static func outcome(
    of retriever: any Retriever,
    _ query: RetrievalQuery
  ) async -> Result<RetrievalResult, any Error> {
    do { return .success(try await retriever.retrieve(query)) } catch { return .failure(error) }
  }
}
