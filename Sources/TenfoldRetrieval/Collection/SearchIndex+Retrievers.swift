// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

extension SearchIndex {
  /// Finds by words and meaning together; by words only in a collection without an embedder.
  ///
  /// - Parameter options: How the two rankings are fused.
  /// - Returns: The retriever; it sees every later change.
  /// - Throws: ``RetrievalError`` with code ``RetrievalError/Code/invalidOption``.
  public func retriever(_ options: HybridRetriever.Options = .init()) throws(RetrievalError) -> any Retriever
  {
    guard let dense = try denseRetriever() else { return sparseRetriever() }
    return try HybridRetriever(sparse: sparseRetriever(), dense: dense, options: options)
  }

  /// Finds by words.
  ///
  /// - Parameter parameters: The constants of BM25; by default those of the options.
  /// - Returns: The retriever; it sees every later change.
  public func sparseRetriever(_ parameters: BM25Parameters? = nil) -> SparseRetriever {
    SparseRetriever(index: sparse, documents: documents, parameters: parameters ?? options.bm25)
  }

  /// Finds by meaning.
  ///
  /// - Returns: The retriever, or `nil` in a collection without an embedder; it sees every later change.
  /// - Throws: Never, as the collection's vectors are of its embedder.
  public func denseRetriever() throws(RetrievalError) -> DenseRetriever? {
    guard let dense, let embedder else { return nil }
    return try DenseRetriever(index: dense, documents: documents, embedder: embedder)
  }

  /// Orders candidates by meaning, from the vectors that the collection has.
  ///
  /// - Returns: The reranker, or `nil` in a collection without an embedder.
  /// - Throws: Never, as the collection's vectors are of its embedder.
  public func reranker() throws(RetrievalError) -> DenseReranker? {
    guard let dense, let embedder else { return nil }
    return try DenseReranker(embedder: embedder, index: dense, documents: documents)
  }

  /// Which of some documents are in the collection.
  ///
  /// - Parameter ids: The documents.
  /// - Returns: Those that are there.
  /// - Throws: ``RetrievalError``.
  public func contained(_ ids: [DocumentID]) async throws -> Set<DocumentID> {
    try await documents.contained(Set(ids))
  }
}
