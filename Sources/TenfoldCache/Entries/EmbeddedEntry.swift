// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// A stored question and its vector, from which a semantic index is rebuilt after a restart.
public struct EmbeddedEntry: Sendable, Hashable {
  /// What the answer is stored under.
  public var key: CacheKey
  /// The question in the words in which it was asked.
  public var question: String
  /// The question's vector.
  public var embedding: TextEmbedding

  /// Creates an entry.
  public init(key: CacheKey, question: String, embedding: TextEmbedding) {
    self.key = key
    self.question = question
    self.embedding = embedding
  }
}
