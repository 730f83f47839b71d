// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore
public import TenfoldVectors

/// Orders candidates by how near their vectors are to the query's.
///
/// Vectors of candidates come from the index where it has them; only the others are embedded.
///
/// ```swift
/// let reranker = try DenseReranker(embedder: embedder, index: vectors, documents: documents)
/// ```
public struct DenseReranker: Reranker {
  private let embedder: any TextEmbedder
  private let index: (any VectorIndex)?
  private let documents: (any DocumentSource)?

  /// Creates a reranker that embeds every candidate.
  ///
  /// - Parameter embedder: Embeds queries and candidates.
  public init(embedder: any TextEmbedder) {
    self.embedder = embedder
    self.index = nil
    self.documents = nil
  }

  /// Creates a reranker that looks candidates up in an index.
  ///
  /// - Parameters:
  ///   - embedder: Embeds queries, and candidates that are not in the index.
  ///   - index: The vectors of the documents.
  ///   - documents: Knows the documents' numbers in the index.
  /// - Throws: ``RetrievalError`` with code ``RetrievalError/Code/modelMismatch`` when the index is of another
  ///   embedder.
  public init(
    embedder: any TextEmbedder,
    index: any VectorIndex,
    documents: any DocumentSource
  ) throws(RetrievalError) {
    guard index.profile.isComparable(with: embedder.profile) else {
      throw RetrievalError.modelMismatch(
        index: index.profile,
        current: embedder.profile,
        place: "the vector index"
      )
    }
    self.embedder = embedder
    self.index = index
    self.documents = documents
  }

  /// Orders candidates by cosine; writes the stage `retrieval.rerank`.
  ///
  /// - Parameters:
  ///   - passages: The candidates.
  ///   - query: What was looked for; a blank one leaves the order as it is.
  /// - Returns: The same passages with cosines as scores, best first and equals by id.
  /// - Throws: What the embedder, the index or the document source throws, or `CancellationError`.
  public func rerank(
    _ passages: [RetrievedPassage],
    for query: RetrievalQuery
  ) async throws -> [RetrievedPassage] {
    guard !passages.isEmpty, !query.isBlank else { return passages }
    return try await query.measure("retrieval.rerank") { line in
      let vector = try await QueryEmbedding.of(query, embedder: embedder)
      var scores = try await storedScores(passages, vector, &line)
      let missing = passages.filter { scores[$0.document] == nil }
      if !missing.isEmpty {
        let batch = try await embedder.embed(
          missing.map { IndexedDocument(id: $0.document, title: $0.title, text: $0.text).searchableText }
        )
        guard batch.count == missing.count, batch.dimension == vector.count else {
          throw RetrievalError(
            .invalidEmbedding,
            "the embedder \(embedder.profile) returned vectors of another shape"
          )
        }
        for (row, passage) in missing.enumerated() {
          let cosine = Self.cosine(vector, batch.vector(at: row))
          scores[passage.document] = cosine.isNaN ? -1 : cosine
        }
      }
      line.note = "\(passages.count) candidates, \(missing.count) embedded"
      return passages.map { $0.scored(scores[$0.document] ?? -1) }.sorted(
        by: RetrievedPassage.isBetter(_:than:)
      )
    }
  }

  private func storedScores(
    _ passages: [RetrievedPassage],
    _ vector: [Float],
    _ line: inout StageRecord
  ) async throws -> [DocumentID: Float] {
    guard let index, let documents else { return [:] }
    let numbers = try await documents.numbers(of: Set(passages.map(\.document)))
    guard !numbers.isEmpty else { return [:] }
    let found = try await index.search([vector], limit: numbers.count, filter: .only(numbers))
    line.cpuTime += found.cpuTime
    line.memoryBytes += found.scannedBytes
    let matches = found.matches.first ?? []
    let known = try await documents.documents(matches.map(\.id))
    var scores: [DocumentID: Float] = [:]
    for match in matches { if let id = known[match.id]?.id { scores[id] = match.score } }
    return scores
  }

  private static func cosine(_ lhs: [Float], _ rhs: [Float]) -> Float {
    var dot: Float = 0
    var left: Float = 0
    var right: Float = 0
    for (a, b) in zip(lhs, rhs) {
      dot += a * b
      left += a * a
      right += b * b
    }
    return dot / (left * right).squareRoot()
  }
}
