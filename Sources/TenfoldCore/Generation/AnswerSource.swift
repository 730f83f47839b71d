// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Who gave an answer.
public enum AnswerSource: Hashable, Sendable, Codable {
  /// A model, named by its profile's id, of the given tier.
  case model(id: String, tier: ModelTier)
  /// The stored answer to the very same request.
  case exactCache(entry: String, isStale: Bool)
  /// The stored answer to a request of nearly the same meaning.
  case semanticCache(entry: String, similarity: Float, isStale: Bool)
  /// Another request that asked the same at the same time.
  case coalesced(with: RequestID)
}
