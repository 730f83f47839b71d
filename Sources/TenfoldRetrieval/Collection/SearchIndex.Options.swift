// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
public import TenfoldVectors

extension SearchIndex {
  /// How an index analyses, stores and searches; every field has a default.
  public struct Options: Sendable {
    /// How text becomes terms.
    public var analyzer: any TextAnalyzer
    /// The constants of BM25.
    public var bm25: BM25Parameters
    /// How vectors are kept in memory; on disk they are exact.
    public var vectorFormat: ExactVectorIndex.Options.RowFormat
    /// How many texts are embedded in one call, in 1...4,096.
    public var embeddingBatchSize: Int
    /// How many bytes of documents are kept in memory, so that results need no disk; 0 or more.
    public var documentCacheInBytes: Int
    /// The most bytes that the file of documents may have, or `nil` for as many as the disk has.
    public var maximumSizeInBytes: Int?

    /// Creates options.
    ///
    /// - Parameters:
    ///   - analyzer: How text becomes terms.
    ///   - bm25: The constants of BM25.
    ///   - vectorFormat: How vectors are kept in memory.
    ///   - embeddingBatchSize: How many texts are embedded in one call, in 1...4,096.
    ///   - documentCacheInBytes: How many bytes of documents are kept in memory.
    ///   - maximumSizeInBytes: The most bytes that the file of documents may have.
    public init(
      analyzer: any TextAnalyzer = EnglishAnalyzer(),
      bm25: BM25Parameters = .standard,
      vectorFormat: ExactVectorIndex.Options.RowFormat = .float32,
      embeddingBatchSize: Int = 64,
      documentCacheInBytes: Int = 64 << 20,
      maximumSizeInBytes: Int? = nil
    ) {
      self.analyzer = analyzer
      self.bm25 = bm25
      self.vectorFormat = vectorFormat
      self.embeddingBatchSize = embeddingBatchSize
      self.documentCacheInBytes = documentCacheInBytes
      self.maximumSizeInBytes = maximumSizeInBytes
    }

    func validate() throws(RetrievalError) {
      try RetrievalError.require((1...4096).contains(embeddingBatchSize), "embeddingBatchSize", "in 1...4096")
      try RetrievalError.require(documentCacheInBytes >= 0, "documentCacheInBytes", "0 or more")
      try RetrievalError.require(
        maximumSizeInBytes ?? .max >= 64 << 10,
        "maximumSizeInBytes",
        "at least 65,536"
      )
    }
  }
}
