// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore
public import TenfoldVectors

/// Finds documents by meaning: nearest vectors in a `VectorIndex`.
///
/// ```swift
/// let retriever = try DenseRetriever(index: vectors, documents: documents, embedder: embedder)
/// ```
public struct DenseRetriever: Retriever {
  private let index: any VectorIndex
  private let documents: any DocumentSource
  private let embedder: any TextEmbedder

  /// Creates a retriever.
  ///
  /// - Parameters:
  ///   - index: The vectors of the documents.
  ///   - documents: Where the documents that it finds are.
  ///   - embedder: Embeds queries that bring no vector of the same embedder.
  /// - Throws: ``RetrievalError`` with code ``RetrievalError/Code/modelMismatch`` when the index is of another
  ///   embedder.
  public init(
    index: any VectorIndex,
    documents: any DocumentSource,
    embedder: any TextEmbedder
  ) throws(RetrievalError) {
    guard index.profile.isComparable(with: embedder.profile) else {
      throw RetrievalError.modelMismatch(
        index: index.profile,
        current: embedder.profile,
        place: "the vector index"
      )
    }
    self.index = index
    self.documents = documents
    self.embedder = embedder
  }

  /// Finds the documents whose meaning fits a query best; writes the stage `retrieval.dense`.
  ///
  /// - Parameter query: What to look for; its embedding is used if it is of the same embedder.
  /// - Returns: The nearest documents, scored by cosine.
  /// - Throws: What the embedder, the index or the document source throws, or `CancellationError`.
  public func retrieve(_ query: RetrievalQuery) async throws -> RetrievalResult {
    let epoch = index.epoch
    guard !query.isBlank, index.count > 0 else {
      return RetrievalResult(passages: [], answeredBy: "dense", epoch: epoch)
    }
    let passages = try await query.measure("retrieval.dense") { line in
      let vector = try await QueryEmbedding.of(query, embedder: embedder)
      var filter = VectorFilter.all
      if let allowed = query.allowedDocuments { filter = .only(try await documents.numbers(of: allowed)) }
      let found = try await index.search([vector], limit: query.limit, filter: filter)
      line.cpuTime = found.cpuTime
      line.memoryBytes = found.scannedBytes
      let matches = found.matches.first ?? []
      let texts = try await documents.documents(matches.map(\.id))
      let passages = matches.compactMap { texts[$0.id]?.passage(score: $0.score) }
      line.note = "\(passages.count) of \(index.count) documents"
      return passages
    }
    return RetrievalResult(passages: passages, answeredBy: "dense", epoch: epoch)
  }
}

extension EmbedderProfile {
  /// Whether vectors of the two may be compared.
  func isComparable(with other: EmbedderProfile) -> Bool {
    id == other.id && revision == other.revision && dimension == other.dimension
  }
}

extension RetrievalError {
  static func modelMismatch(
    index: EmbedderProfile?,
    current: EmbedderProfile?,
    place: String,
    file: String = #fileID,
    line: Int = #line
  ) -> RetrievalError {
    func name(_ profile: EmbedderProfile?) -> String { profile?.description ?? "no embedder" }
    return RetrievalError(
      .modelMismatch,
      "\(place) was made with \(name(index)), in use is \(name(current)); index the documents again with the "
        + "present embedder, or open the index with its own",
      indexModel: index,
      currentModel: current,
      file: file,
      line: line
    )
  }
}
