// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// Finds documents by their words: BM25 over an ``InvertedIndex``.
///
/// ```swift
/// let retriever = SparseRetriever(index: index, documents: documents)
/// let result = try await retriever.retrieve(RetrievalQuery("aspirin fever"))
/// ```
public struct SparseRetriever: Retriever {
  private let index: InvertedIndex
  private let documents: any DocumentSource
  private let parameters: BM25Parameters

  /// Creates a retriever.
  ///
  /// - Parameters:
  ///   - index: The text index.
  ///   - documents: Where the documents that it finds are.
  ///   - parameters: The constants of BM25.
  public init(
    index: InvertedIndex,
    documents: any DocumentSource,
    parameters: BM25Parameters = .standard
  ) {
    self.index = index
    self.documents = documents
    self.parameters = parameters
  }

  /// Finds the documents whose words fit a query best; writes the stage `retrieval.sparse`.
  ///
  /// - Parameter query: What to look for; its embedding is not used.
  /// - Returns: Documents that share at least one term with the query; marked partial if the index is damaged.
  /// - Throws: ``RetrievalError``, what the document source throws, or `CancellationError`.
  public func retrieve(_ query: RetrievalQuery) async throws -> RetrievalResult {
    let epoch = index.epoch
    let isPartial = !index.damage.isEmpty
    guard !query.isBlank, index.count > 0 else {
      return RetrievalResult(passages: [], answeredBy: "sparse", isPartial: isPartial, epoch: epoch)
    }
    let passages = try await query.measure("retrieval.sparse") { line in
      var filter: Set<UInt64>?
      if let allowed = query.allowedDocuments { filter = try await documents.numbers(of: allowed) }
      let found = try await index.search(
        query.text,
        limit: query.limit,
        filter: filter,
        parameters: parameters
      )
      line.cpuTime = found.cpuTime
      line.memoryBytes = found.scannedBytes
      let texts = try await documents.documents(found.matches.map(\.number))
      // A document that went away since the search is left out.
      let passages = found.matches.compactMap { texts[$0.number]?.passage(score: $0.score) }
      line.note = "\(passages.count) of \(index.count) documents"
      return passages
    }
    return RetrievalResult(passages: passages, answeredBy: "sparse", isPartial: isPartial, epoch: epoch)
  }
}
