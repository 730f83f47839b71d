// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// The vector of a query: the one that an earlier stage made, if it is of the right embedder.
enum QueryEmbedding {
  static func of(_ query: RetrievalQuery, embedder: any TextEmbedder) async throws -> [Float] {
    if let embedding = query.embedding, embedding.embedder == embedder.profile,
      embedding.values.count == embedder.profile.dimension
    {
      return embedding.values
    }
    let batch = try await embedder.embed([query.text])
    guard batch.count == 1, batch.dimension == embedder.profile.dimension else {
      throw RetrievalError(
        .invalidEmbedding,
        "the embedder \(embedder.profile) returned \(batch.count) vectors of \(batch.dimension) values for one text"
      )
    }
    return batch.vector(at: 0)
  }
}
