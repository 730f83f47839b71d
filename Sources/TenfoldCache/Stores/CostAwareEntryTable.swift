// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import HeapModule
import TenfoldCore

/// The entries of an in-memory store and the order in which they leave it; pure, the caller brings the time.
///
/// An entry's worth is the tokens that a hit saves, by byte, times how often it is asked for; old requests count less
/// (they fade by half every `halfLife` accesses). All worths fade alike, so their order only changes by accesses, and
/// log2(worth) is kept as log2(tokens ÷ bytes) + log2(Σ 2^(access number ÷ half-life)), which needs no ageing pass.
/// A scan of questions asked once can't push out what is asked often; a newcomer worth less than what it would push out
/// is refused, but its requests are remembered for the next try.
struct CostAwareEntryTable: Sendable {
  struct Entry: Sendable {
    var answer: CachedAnswer
    var bytes: Int
    var freshUntil: ContinuousClock.Instant
    /// log2 of the faded number of requests.
    var demand: Double
    /// log2 of the tokens saved by a byte.
    var density: Double
    var number: UInt64
    var worth: Double { demand + density }
  }

  /// A lower bound of an entry's worth: an access raises the worth without touching the heap.
  private struct Node: Comparable {
    var worth: Double
    var number: UInt64
    var key: CacheKey
    static func < (lhs: Self, rhs: Self) -> Bool { (lhs.worth, lhs.number) < (rhs.worth, rhs.number) }
    static func == (lhs: Self, rhs: Self) -> Bool { lhs.number == rhs.number }
  }

  let capacityInBytes: Int
  let maximumEntryBytes: Int
  let staleGrace: Duration
  private let halfLife: Double
  private let ghostLimit: Int
  private(set) var entries: [CacheKey: Entry] = [:]
  private(set) var statistics = CacheStatistics()
  private var heap = Heap<Node>()
  private var byDocument: [DocumentID: Set<CacheKey>] = [:]
  private var byNamespace: [CacheNamespace: Set<CacheKey>] = [:]
  private var ghosts: [ContentDigest: Double] = [:]
  private var ghostOrder: [ContentDigest] = []
  private var ghostHead = 0
  private var clock: Double = 0
  private var nextNumber: UInt64 = 0
  /// No entry is over, its grace included, before this; `nil` when there is none.
  private var earliestEnd: ContinuousClock.Instant?
  /// How often room was made since all entries were last looked through for those that are over.
  private var attemptsSinceScan = 0
  /// Entries that are over take room, but looking for them takes as long as there are entries.
  private static let attemptsBetweenScans = 64

  init(capacityInBytes: Int, maximumEntryBytes: Int, staleGrace: Duration) {
    self.capacityInBytes = max(0, capacityInBytes)
    self.maximumEntryBytes = maximumEntryBytes
    self.staleGrace = staleGrace
    // Ten accesses for each entry that fits at 512 bytes, the size of a short answer: the window that frequency
    // sketches use too. A memory of what is gone takes about a tenth of an entry.
    self.halfLife = max(1000, Double(capacityInBytes) / 512 * 10)
    self.ghostLimit = max(1024, capacityInBytes / 1024)
    statistics.capacityInBytes = self.capacityInBytes
  }

  mutating func lookUp(_ key: CacheKey, allowingStale: Bool, now: ContinuousClock.Instant) -> CacheHit? {
    clock += 1
    guard var entry = entries[key] else {
      statistics.misses += 1
      haunt(key.digest, Self.sum(ghosts[key.digest], clock / halfLife))
      return nil
    }
    let remaining = now.duration(to: entry.freshUntil)
    if remaining + staleGrace <= .zero {
      drop(key)
      statistics.expirations += 1
      statistics.misses += 1
      return nil
    }
    let isStale = remaining <= .zero
    guard !isStale || allowingStale else {
      statistics.misses += 1
      return nil
    }
    entry.demand = Self.sum(entry.demand, clock / halfLife)
    entries[key] = entry
    if isStale { statistics.staleHits += 1 } else { statistics.hits += 1 }
    statistics.savedTokens = statistics.savedTokens.addingClamped(entry.answer.savedTokens)
    return CacheHit(answer: entry.answer, isStale: isStale, remaining: remaining)
  }

  mutating func insert(
    _ answer: CachedAnswer,
    for key: CacheKey,
    timeToLive: Duration,
    now: ContinuousClock.Instant
  ) -> Bool {
    let bytes = answer.byteCount + 2 * key.text.utf8.count
    let demand = entries[key]?.demand ?? ghosts[key.digest] ?? clock / halfLife
    // Also where the new answer is refused: it was to replace the old one.
    drop(key)
    guard bytes <= min(maximumEntryBytes, capacityInBytes), timeToLive > .zero else {
      statistics.rejections += 1
      return false
    }
    let density = Double.log2Ratio(answer.savedTokens, bytes)
    guard makeRoom(for: bytes, worth: demand + density, now: now) else {
      statistics.rejections += 1
      haunt(key.digest, demand)
      return false
    }
    nextNumber += 1
    let freshUntil = now.advanced(by: timeToLive)
    let end = freshUntil.advanced(by: staleGrace)
    earliestEnd = min(earliestEnd ?? end, end)
    let entry = Entry(
      answer: answer,
      bytes: bytes,
      freshUntil: freshUntil,
      demand: demand,
      density: density,
      number: nextNumber
    )
    entries[key] = entry
    heap.insert(Node(worth: entry.worth, number: nextNumber, key: key))
    for document in answer.documents { byDocument[document, default: []].insert(key) }
    byNamespace[key.namespace, default: []].insert(key)
    statistics.bytes += bytes
    statistics.entries = entries.count
    statistics.insertions += 1
    return true
  }

  mutating func remove(_ keys: some Sequence<CacheKey>) -> Int {
    var removed = 0
    for key in keys where entries[key] != nil {
      drop(key)
      removed += 1
    }
    statistics.invalidations += removed
    return removed
  }

  mutating func invalidate(_ documents: Set<DocumentID>) -> Int {
    remove(documents.reduce(into: Set<CacheKey>()) { $0.formUnion(byDocument[$1] ?? []) })
  }

  mutating func evict(toBytes bytes: Int, now: ContinuousClock.Instant) -> Int {
    let before = entries.count
    _ = dropExpired(now: now)
    while statistics.bytes > max(0, bytes), let victim = popLeastWorthy() { evict(victim) }
    return before - entries.count
  }

  func embedded(
    in namespace: CacheNamespace,
    limit: Int,
    now: ContinuousClock.Instant
  ) -> [EmbeddedEntry] {
    let found = (byNamespace[namespace] ?? []).compactMap { key -> (UInt64, EmbeddedEntry)? in
      guard let entry = entries[key], entry.freshUntil > now, entry.answer.alias == nil,
        let embedding = entry.answer.embedding
      else { return nil }
      return (entry.number, EmbeddedEntry(key: key, question: entry.answer.question, embedding: embedding))
    }
    return found.sorted { $0.0 > $1.0 }.prefix(max(0, limit)).map { $0.1 }
  }

  // MARK: - Eviction

  private mutating func makeRoom(for bytes: Int, worth: Double, now: ContinuousClock.Instant) -> Bool {
    guard statistics.bytes + bytes > capacityInBytes else { return true }
    attemptsSinceScan += 1
    if attemptsSinceScan >= Self.attemptsBetweenScans { _ = dropExpired(now: now) }
    var victims: [Node] = []
    var freed = 0
    while statistics.bytes - freed + bytes > capacityInBytes {
      guard let victim = popLeastWorthy() else { break }
      victims.append(victim)
      guard victim.worth <= worth else { break }
      freed += entries[victim.key]?.bytes ?? 0
    }
    guard statistics.bytes - freed + bytes <= capacityInBytes else {
      for victim in victims { heap.insert(victim) }
      // Nobody is refused for entries that are over; once they are gone none is for a while.
      guard dropExpired(now: now) else { return false }
      return makeRoom(for: bytes, worth: worth, now: now)
    }
    for victim in victims { evict(victim) }
    return true
  }

  /// Takes the entry that is worth least off the heap; the caller evicts it or puts it back.
  private mutating func popLeastWorthy() -> Node? {
    while let node = heap.popMin() {
      guard let entry = entries[node.key], entry.number == node.number else { continue }
      guard entry.worth > node.worth else {
        return node
      }
      heap.insert(Node(worth: entry.worth, number: node.number, key: node.key))
    }
    return nil
  }

  private mutating func rebuildHeapIfBloated() {
    guard heap.count > 64 + 2 * entries.count else { return }
    heap = Heap(entries.map { Node(worth: $0.value.worth, number: $0.value.number, key: $0.key) })
  }

  private mutating func evict(_ victim: Node) {
    if let entry = entries[victim.key] { haunt(victim.key.digest, entry.demand) }
    drop(victim.key)
    statistics.evictions += 1
  }

  /// Drops the entries that are over, grace included; looks for them only when there can be any.
  ///
  /// - Returns: Whether there were any.
  private mutating func dropExpired(now: ContinuousClock.Instant) -> Bool {
    guard let earliest = earliestEnd, earliest <= now else { return false }
    attemptsSinceScan = 0
    earliestEnd = nil
    var expired: [CacheKey] = []
    for (key, entry) in entries {
      let end = entry.freshUntil.advanced(by: staleGrace)
      if end <= now { expired.append(key) } else { earliestEnd = min(earliestEnd ?? end, end) }
    }
    for key in expired { drop(key) }
    statistics.expirations += expired.count
    return !expired.isEmpty
  }

  private mutating func drop(_ key: CacheKey) {
    guard let entry = entries.removeValue(forKey: key) else { return }
    statistics.bytes -= entry.bytes
    statistics.entries = entries.count
    for document in entry.answer.documents {
      byDocument[document]?.remove(key)
      if byDocument[document]?.isEmpty == true { byDocument[document] = nil }
    }
    byNamespace[key.namespace]?.remove(key)
    if byNamespace[key.namespace]?.isEmpty == true { byNamespace[key.namespace] = nil }
    // The node stays in the heap until it is met; replaced entries have another number.
    rebuildHeapIfBloated()
  }

  /// Remembers the demand for a key that is not there; the oldest memories go first.
  private mutating func haunt(_ digest: ContentDigest, _ demand: Double) {
    if ghosts.updateValue(demand, forKey: digest) == nil { ghostOrder.append(digest) }
    while ghosts.count > ghostLimit, ghostHead < ghostOrder.count {
      ghosts[ghostOrder[ghostHead]] = nil
      ghostHead += 1
    }
    if ghostHead > ghostLimit {
      ghostOrder.removeFirst(ghostHead)
      ghostHead = 0
    }
  }

  /// log2(2^a + 2^b).
  private static func sum(_ a: Double?, _ b: Double) -> Double {
    guard let a else { return b }
    let high = max(a, b)
    let difference = min(a, b) - high
    return high + (difference < -50 ? 0 : Double.log2(1 + Double.exp2(difference)))
  }
}
