// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The vector of one text, and whose it is.
public struct TextEmbedding: Hashable, Sendable {
  /// The numbers, `embedder.dimension` of them, of length 1.
  public var values: [Float]
  /// The embedder that made it.
  public var embedder: EmbedderProfile

  /// Creates an embedding.
  public init(values: [Float], embedder: EmbedderProfile) {
    self.values = values
    self.embedder = embedder
  }
}
