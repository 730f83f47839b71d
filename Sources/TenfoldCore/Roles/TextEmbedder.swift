// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Something that turns texts into vectors whose cosine tells how alike their meanings are.
public protocol TextEmbedder: Sendable {
  /// What is known of the embedder without asking it.
  var profile: EmbedderProfile { get }

  /// Embeds texts.
  ///
  /// The vectors have length 1 and hold no NaN; the vector of a text does not depend on the others in the call. A
  /// text that is empty, or only white space, gets a vector too. Cancelling the task stops the work.
  ///
  /// - Parameter texts: The texts, each cut at the profile's limit of tokens.
  /// - Returns: One vector for each text, in order; an empty batch for no texts.
  /// - Throws: The embedder's own error when it can't run.
  func embed(_ texts: [String]) async throws -> EmbeddingBatch
}

extension TextEmbedder {
  /// Embeds one text.
  ///
  /// - Parameter text: The text.
  /// - Returns: Its vector.
  /// - Throws: Whatever ``embed(_:)`` throws.
  public func embed(_ text: String) async throws -> TextEmbedding {
    TextEmbedding(values: try await embed([text]).vector(at: 0), embedder: profile)
  }
}
