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
    var bytes = 0
    /// Whether somebody has begun to load what the store has.
    var isLoaded = false
  }

  private struct State {
    var shards: [CacheNamespace: Shard] = [:]
    var uses: UInt64 = 0
    /// The sum of the shards' bytes.
    var bytes = 0

    mutating func drop(_ namespace: CacheNamespace) {
      guard let shard = shards.removeValue(forKey: namespace) else { return }
      bytes -= shard.bytes
    }

    var oldest: CacheNamespace? { shards.min { $0.value.lastUse < $1.value.lastUse }?.key }
  }

  private let state = Mutex(State())
  private let profile: EmbedderProfile
  private let entriesPerNamespace: Int
  private let namespaceLimit: Int
  private let maximumBytes: Int

  init(profile: EmbedderProfile, entriesPerNamespace: Int, namespaceLimit: Int, maximumBytes: Int) {
    self.maximumBytes = max(0, maximumBytes)
    self.profile = profile
    self.entriesPerNamespace = max(1, entriesPerNamespace)
    self.namespaceLimit = max(1, namespaceLimit)
  }

  /// Opens a namespace; returns true the first time, when the caller should load what the store has.
  func open(_ namespace: CacheNamespace) -> Bool {
    state.withLock { state in
      guard makeShard(namespace, &state), state.shards[namespace]?.isLoaded == false else { return false }
      state.shards[namespace]?.isLoaded = true
      return true
    }
  }

  /// Takes note that what the store has could not be loaded, so that the next one tries again.
  func abandonLoad(_ namespace: CacheNamespace) {
    state.withLock { $0.shards[namespace]?.isLoaded = false }
  }

  /// Sees to it that a namespace has a shard, and notes its use.
  private func makeShard(_ namespace: CacheNamespace, _ state: inout State) -> Bool {
    state.uses += 1
    if state.shards[namespace] == nil {
      guard let index = try? ExactVectorIndex(profile: profile) else { return false }
      if state.shards.count >= namespaceLimit, let oldest = state.oldest { state.drop(oldest) }
      state.shards[namespace] = Shard(index: index)
    }
    state.shards[namespace]?.lastUse = state.uses
    return true
  }

  /// Adds a question, or replaces it; one with an unusable vector is left out.
  func add(_ entry: EmbeddedEntry) -> Bool {
    guard entry.embedding.embedder == profile else { return false }
    return state.withLock { state in
      guard makeShard(entry.key.namespace, &state),
        var shard = state.shards.removeValue(forKey: entry.key.namespace)
      else { return false }
      let before = shard.bytes
      defer {
        state.bytes += shard.bytes - before
        state.shards[entry.key.namespace] = shard
      }
      // Others go first, then what is oldest here.
      while state.bytes + Self.byteCount(of: entry) > maximumBytes, let oldest = state.oldest {
        state.drop(oldest)
      }
      let id = shard.ids[entry.key] ?? shard.nextID
      let report = try? shard.index.add([IdentifiedVector(id: id, values: entry.embedding.values)])
      guard let report, report.added + report.replaced == 1 else { return false }
      if shard.ids[entry.key] == nil {
        shard.nextID += 1
        shard.order.append(id)
      }
      shard.ids[entry.key] = id
      if let replaced = shard.entries.updateValue(entry, forKey: id) {
        shard.bytes -= Self.byteCount(of: replaced)
      }
      shard.bytes += Self.byteCount(of: entry)
      while shard.entries.count > entriesPerNamespace || state.bytes + shard.bytes - before > maximumBytes,
        !shard.order.isEmpty
      {
        shard.drop(shard.order.removeFirst())
      }
      return shard.entries[id] != nil
    }
  }

  func remove(_ key: CacheKey) {
    state.withLock { state in
      guard var shard = state.shards.removeValue(forKey: key.namespace) else { return }
      let before = shard.bytes
      if let id = shard.ids[key] { shard.drop(id) }
      state.bytes += shard.bytes - before
      if shard.order.count > 64 + 2 * shard.entries.count {
        shard.order.removeAll { shard.entries[$0] == nil }
      }
      state.shards[key.namespace] = shard
    }
  }

  func removeAll(of tenant: TenantID) {
    state.withLock { state in
      for namespace in state.shards.keys where namespace.tenant == tenant { state.drop(namespace) }
    }
  }

  /// About how many bytes the vectors and their questions take.
  var bytes: Int { state.withLock { $0.bytes } }

  /// About how much an entry takes: its vector here and as a row of the index, its question and the key's text, and 256
  /// for the tables' slots.
  static func byteCount(of entry: EmbeddedEntry) -> Int {
    256 + 8 * entry.embedding.values.count + entry.question.utf8.count + entry.key.text.utf8.count
  }

  /// The nearest stored questions of a namespace, most alike first.
  func neighbours(of vector: [Float], in namespace: CacheNamespace, limit: Int) async throws -> [Neighbour] {
    try await neighbours(in: namespace) { try await $0.search(vector, limit: limit) }
  }

  /// The stored questions that a search of the namespace's vectors finds; none when they were dropped meanwhile.
  func neighbours(
    in namespace: CacheNamespace,
    search: (ExactVectorIndex) async throws -> [VectorMatch]
  ) async throws -> [Neighbour] {
    guard let index = state.withLock({ $0.shards[namespace]?.index }), index.count > 0 else { return [] }
    let matches = try await search(index)
    return state.withLock { state in
      // A shard that took the place of the one searched gives the same numbers to other questions.
      guard let shard = state.shards[namespace], shard.index === index else { return [] }
      return matches.compactMap { match in
        shard.entries[match.id].map {
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
    bytes -= SemanticIndex.byteCount(of: entry)
    index.remove([id])
  }
}
