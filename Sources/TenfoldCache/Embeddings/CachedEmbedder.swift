// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
public import TenfoldCore

/// An embedder that remembers the vectors of the texts it has seen, by their content, in bounded memory.
///
/// Re-indexing a folder of which little has changed, and questions that come again, cost a hash of the text (SHA-256)
/// in place of a pass through the model. The vectors are those of the embedder inside, bit for bit; texts are not
/// kept. A text that occurs twice in a call is embedded once; two calls at the same time may both embed it.
///
/// Whoever shares an instance can tell by the time of a call whether a text was embedded before: tenants from whom that must be
/// kept need one each.
///
/// ```swift
/// let embedder = CachedEmbedder(try await MiniLMEmbedder.load(modelDirectory: path), bytes: 64 << 20)
/// let vectors = try await embedder.embed(chunks)
/// print(embedder.statistics.hitRate)
/// ```
public final class CachedEmbedder: TextEmbedder {
  private struct State {
    var table: VectorTable
    var statistics = CacheStatistics()
  }

  /// What a vector takes beside its numbers: its digest twice, its place in the order of use, its facts.
  private static let overhead = 160

  /// What is known of the embedder inside.
  public let profile: EmbedderProfile
  private let embedder: any TextEmbedder
  private let state: Mutex<State>

  /// Creates an embedder that remembers.
  ///
  /// - Parameters:
  ///   - embedder: What embeds texts that aren't known.
  ///   - bytes: The most memory for vectors, which is taken as they come; with less than one needs nothing is kept.
  public init(_ embedder: any TextEmbedder, bytes: Int = 64 << 20) {
    self.embedder = embedder
    profile = embedder.profile
    let dimension = max(1, embedder.profile.dimension)
    let table = VectorTable(dimension: dimension, capacity: bytes / (4 * dimension + Self.overhead))
    state = Mutex(State(table: table))
  }

  /// How often vectors were found, and what they take.
  public var statistics: CacheStatistics {
    state.withLock { state in
      var statistics = state.statistics
      let each = 4 * state.table.dimension + Self.overhead
      statistics.entries = state.table.count
      statistics.bytes = state.table.count * each
      statistics.capacityInBytes = state.table.capacity * each
      return statistics
    }
  }

  /// Forgets all vectors.
  public func removeAll() {
    state.withLock { state in
      state.statistics.invalidations += state.table.count
      state.table.removeAll()
    }
  }

  /// Embeds texts; those that are known without the embedder.
  ///
  /// - Parameter texts: The texts, each cut at the profile's limit of tokens.
  /// - Returns: One vector for each text, in order; an empty batch for no texts.
  /// - Throws: Whatever the embedder throws; what was known already stays known.
  public func embed(_ texts: [String]) async throws -> EmbeddingBatch {
    let dimension = profile.dimension
    let keys = texts.map { ContentDigest(of: $0.utf8) }
    var values = [Float](repeating: 0, count: texts.count * dimension)
    var facts = [VectorTable.Facts?](repeating: nil, count: texts.count)
    /// The unknown texts, and where in the call each of them stands.
    var places: [ContentDigest: [Int]] = [:]
    var unknown: [Int] = []
    state.withLock { state in
      for (place, key) in keys.enumerated() {
        if let found = state.table.find(key) {
          values.replaceSubrange(place * dimension..<(place + 1) * dimension, with: found.vector)
          facts[place] = found.facts
          state.statistics.hits += 1
        } else {
          if places[key] == nil { unknown.append(place) }
          places[key, default: []].append(place)
          state.statistics.misses += 1
        }
      }
    }
    if !unknown.isEmpty {
      let made = try await embedder.embed(unknown.map { texts[$0] })
      guard made.count == unknown.count, made.dimension == dimension else {
        throw RequestError(
          .modelFailed,
          """
          \(profile.id) gave \(made.count) vectors of \(made.dimension) numbers for \(unknown.count) texts, and its \
          profile says \(dimension); the embedder is at fault.
          """
        )
      }
      state.withLock { state in
        for (index, first) in unknown.enumerated() {
          let vector = made.values[index * dimension..<(index + 1) * dimension]
          let new = VectorTable.Facts(
            tokenCount: made.tokenCounts[index],
            isTruncated: made.isTruncated[index]
          )
          for place in places[keys[first]] ?? [] {
            values.replaceSubrange(place * dimension..<(place + 1) * dimension, with: vector)
            facts[place] = new
          }
          let before = state.table.count
          if state.table.insert(keys[first], vector, new) { state.statistics.evictions += 1 }
          if state.table.count > before { state.statistics.insertions += 1 }
        }
      }
    }
    return EmbeddingBatch(
      values: values,
      dimension: dimension,
      tokenCounts: facts.map { $0?.tokenCount ?? 0 },
      isTruncated: facts.map { $0?.isTruncated ?? false }
    )
  }
}
