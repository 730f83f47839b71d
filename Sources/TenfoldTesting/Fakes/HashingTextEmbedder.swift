// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// An embedder without a model: texts that share words get vectors that are alike.
///
/// Each lower-cased word adds a pseudo-random direction derived from its characters; the sum is scaled to length 1.
public struct HashingTextEmbedder: TextEmbedder {
  /// What is known of the embedder without asking it.
  public let profile: EmbedderProfile

  /// Creates an embedder.
  ///
  /// - Parameter dimension: How many numbers a vector has; 1 or more.
  public init(dimension: Int = 64) {
    precondition(dimension > 0, "A vector needs at least one number.")
    profile = EmbedderProfile(id: "hashing", dimension: dimension, maxTokens: 512)
  }

  /// Embeds texts.
  ///
  /// - Parameter texts: The texts.
  /// - Returns: One vector for each.
  /// - Throws: Never.
  public func embed(_ texts: [String]) async throws -> EmbeddingBatch {
    var values: [Float] = []
    var counts: [Int] = []
    var truncated: [Bool] = []
    for text in texts {
      var sum = [Float](repeating: 0, count: profile.dimension)
      // A constant first direction keeps the empty text away from zero.
      sum[0] = 0.01
      let words = text.lowercased().split { !$0.isLetter && !$0.isNumber }
      for word in words.prefix(profile.maxTokens) {
        // FNV-1a of the word seeds a SplitMix64 sequence (Steele et al. 2014).
        var seed = word.utf8.reduce(UInt64(0xcbf2_9ce4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        for index in sum.indices {
          seed &+= 0x9e37_79b9_7f4a_7c15
          var z = seed
          z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
          z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
          z ^= z >> 31
          sum[index] += Float(Int64(bitPattern: z) >> 40) / Float(1 << 23)
        }
      }
      let norm = sum.reduce(0) { $0 + $1 * $1 }.squareRoot()
      values += sum.map { $0 / norm }
      counts.append(min(words.count, profile.maxTokens))
      truncated.append(words.count > profile.maxTokens)
    }
    return EmbeddingBatch(
      values: values,
      dimension: profile.dimension,
      tokenCounts: counts,
      isTruncated: truncated
    )
  }
}
