// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import TenfoldCore
import TenfoldVectors

/// The vectors of stored questions, one index for each namespace.
final class SemanticIndex: Sendable {
  struct Neighbour: Sendable {
    var key: CacheKey
    var question: String
    var similarity: Float
  }

  fileprivate struct Shard {
    var index: ExactVectorIndex
    var entries: [UInt64: EmbeddedEntry] = [:]
    var ids: [CacheKey: UInt64] = [:]
    var nextID: UInt64 = 0
    /// Ids in the order of insertion; some may be gone.
    var order: [UInt64] = []
    var lastUse: UInt64 = 0
  }

  private struct State {
    var shards: [CacheNamespace: Shard] = [:]
    var uses: UInt64 = 0
  }

  private let state = Mutex(State())
  private let profile: EmbedderProfile
  private let entriesPerNamespace: Int
  private let namespaceLimit: Int

  init(profile: EmbedderProfile, entriesPerNamespace: Int, namespaceLimit: Int) {
    self.profile = profile
    self.entriesPerNamespace = max(1, entriesPerNamespace)
    self.namespaceLimit = max(1, namespaceLimit)
  }

  /// Opens a namespace; returns true the first time, when the caller should load what the store has.
  func open(_ namespace: CacheNamespace) -> Bool {
    state.withLock { state in
      state.uses += 1
      if state.shards[namespace] != nil {
        state.shards[namespace]?.lastUse = state.uses
        return false
      }
      guard let index = try? ExactVectorIndex(profile: profile) else { return false }
      if state.shards.count >= namespaceLimit,
        let oldest = state.shards.min(by: { $0.value.lastUse < $1.value.lastUse })
      {
        state.shards[oldest.key] = nil
      }
      state.shards[namespace] = Shard(index: index, lastUse: state.uses)
      return true
    }
  }

  /// Adds a question, or replaces it; one with an unusable vector is left out.
  func add(_ entry: EmbeddedEntry) -> Bool {
    guard entry.embedding.embedder == profile else { return false }
    _ = open(entry.key.namespace)
    return state.withLock { state in
      guard var shard = state.shards.removeValue(forKey: entry.key.namespace) else { return false }
      defer { state.shards[entry.key.namespace] = shard }
      let id = shard.ids[entry.key] ?? shard.nextID
      let report = try? shard.index.add([IdentifiedVector(id: id, values: entry.embedding.values)])
      guard let report, report.added + report.replaced == 1 else { return false }
      if shard.ids[entry.key] == nil {
        shard.nextID += 1
        shard.order.append(id)
      }
      shard.ids[entry.key] = id
      shard.entries[id] = entry
      while shard.entries.count > entriesPerNamespace, !shard.order.isEmpty {
        shard.drop(shard.order.removeFirst())
      }
      return true
    }
  }

  func remove(_ key: CacheKey) {
    state.withLock { state in
      guard var shard = state.shards.removeValue(forKey: key.namespace) else { return }
      if let id = shard.ids[key] { shard.drop(id) }
      if shard.order.count > 64 + 2 * shard.entries.count {
        shard.order.removeAll { shard.entries[$0] == nil }
      }
      state.shards[key.namespace] = shard
    }
  }

  func removeAll(of tenant: TenantID) {
    state.withLock { state in state.shards = state.shards.filter { $0.key.tenant != tenant } }
  }

  /// The nearest stored questions of a namespace, most alike first.
  func neighbours(of vector: [Float], in namespace: CacheNamespace, limit: Int) async throws -> [Neighbour] {
    guard let index = state.withLock({ $0.shards[namespace]?.index }), index.count > 0 else { return [] }
    let matches = try await index.search(vector, limit: limit)
    return state.withLock { state in
      matches.compactMap { match in
        state.shards[namespace]?.entries[match.id].map {
          Neighbour(key: $0.key, question: $0.question, similarity: match.score)
        }
      }
    }
  }
}

extension SemanticIndex.Shard {
  fileprivate mutating func drop(_ id: UInt64) {
    guard let entry = entries.removeValue(forKey: id) else { return }
    ids[entry.key] = nil
    index.remove([id])
  }
}
