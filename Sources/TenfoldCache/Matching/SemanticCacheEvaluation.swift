// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// Measures how often a serve policy is right, on pairs of questions that people have judged.
///
/// ```swift
/// let scored = try await SemanticCacheEvaluation.score(pairs, with: encoder)
/// for outcome in SemanticCacheEvaluation.sweep(scored, thresholds: [0.9, 0.95]) {
///   print(outcome.threshold, outcome.hitRate, outcome.falseHitRate)
/// }
/// ```
public enum SemanticCacheEvaluation {
  /// Two questions and whether one answer does for both.
  public struct Pair: Hashable, Sendable {
    /// The stored question.
    public var stored: String
    /// The question asked.
    public var asked: String
    /// Whether the answer to one may be served for the other.
    public var isSame: Bool
    /// The cosine of their vectors; filled in by ``SemanticCacheEvaluation/score(_:with:batchSize:)``.
    public var similarity: Float

    /// Creates a pair.
    public init(stored: String, asked: String, isSame: Bool, similarity: Float = 0) {
      self.stored = stored
      self.asked = asked
      self.isSame = isSame
      self.similarity = similarity
    }
  }

  /// What a policy did with a set of pairs.
  public struct Outcome: Hashable, Sendable {
    /// The threshold that was tried.
    public var threshold: Float
    /// How many pairs were judged.
    public var pairs: Int
    /// How many were served.
    public var served: Int
    /// How many of those should not have been.
    public var falseHits: Int
    /// How many pairs have the same answer.
    public var same: Int

    /// The share of the pairs with the same answer that were served.
    public var hitRate: Double { same == 0 ? 0 : Double(served - falseHits) / Double(same) }
    /// The share of what was served that should not have been.
    public var falseHitRate: Double { served == 0 ? 0 : Double(falseHits) / Double(served) }
  }

  /// Fills in the similarities.
  ///
  /// - Parameters:
  ///   - pairs: The pairs.
  ///   - embedder: Whose vectors are compared.
  ///   - batchSize: How many pairs are embedded at once; 1 or more.
  /// - Returns: The pairs with their cosines.
  /// - Throws: The embedder's error.
  public static func score(
    _ pairs: [Pair],
    with embedder: any TextEmbedder,
    batchSize: Int = 32
  ) async throws -> [Pair] {
    var result = pairs
    for start in stride(from: 0, to: pairs.count, by: max(1, batchSize)) {
      let range = start..<min(pairs.count, start + max(1, batchSize))
      let batch = try await embedder.embed(range.flatMap { [pairs[$0].stored, pairs[$0].asked] })
      for (offset, index) in range.enumerated() {
        let a = batch.vector(at: 2 * offset)
        let b = batch.vector(at: 2 * offset + 1)
        result[index].similarity = zip(a, b).reduce(0) { $0 + $1.0 * $1.1 }
      }
    }
    return result
  }

  /// Tries several thresholds.
  ///
  /// - Parameters:
  ///   - pairs: Pairs with their similarities.
  ///   - thresholds: The thresholds to try.
  ///   - cacheGuard: The second look; one without checks shows what the threshold does alone.
  /// - Returns: One outcome for each threshold, in order.
  public static func sweep(
    _ pairs: [Pair],
    thresholds: [Float],
    cacheGuard: CacheGuard = CacheGuard()
  ) -> [Outcome] {
    let passes = pairs.map { cacheGuard.objection(to: $0.stored, for: $0.asked) == nil }
    let same = pairs.filter(\.isSame).count
    return thresholds.map { threshold in
      let served = pairs.indices.filter { passes[$0] && pairs[$0].similarity >= threshold }
      return Outcome(
        threshold: threshold,
        pairs: pairs.count,
        served: served.count,
        falseHits: served.filter { !pairs[$0].isSame }.count,
        same: same
      )
    }
  }
}
