// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// What an answer is stored under: a namespace and the whole normalized question.
///
/// Keys are found by a SHA-256 digest and then compared in full, so nobody can craft a question that is served the
/// answer to another.
///
/// ```swift
/// let key = CacheKey(namespace: namespace, question: "What is  BM25? ")
/// key.text   // "What is BM25?"
/// ```
public struct CacheKey: Hashable, Sendable {
  /// The boundary that the answer stays in.
  public let namespace: CacheNamespace
  /// The normalized question.
  public let text: String
  /// The digest of the namespace and the text.
  public let digest: ContentDigest

  /// Creates a key.
  ///
  /// - Parameters:
  ///   - namespace: The boundary that the answer stays in.
  ///   - question: The question as received.
  ///   - normalization: Which spellings count as the same question.
  public init(namespace: CacheNamespace, question: String, normalization: KeyNormalization = .whitespace) {
    self.init(namespace: namespace, normalizedText: normalization.apply(to: question))
  }

  /// Creates a key from a question that has been normalized already.
  init(namespace: CacheNamespace, normalizedText: String) {
    self.namespace = namespace
    self.text = normalizedText
    var hasher = ContentDigest.Hasher()
    namespace.append(to: &hasher)
    hasher.append(text)
    self.digest = hasher.finish()
  }

  /// Compares digest, namespace and text.
  public static func == (lhs: Self, rhs: Self) -> Bool {
    lhs.digest == rhs.digest && lhs.namespace == rhs.namespace && lhs.text == rhs.text
  }

  /// Hashes the digest.
  public func hash(into hasher: inout Swift.Hasher) { hasher.combine(digest) }
}
