// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// What merging needs to know of a vocabulary.
protocol MergeVocabulary {
  /// The merge rules.
  var pairs: PairTable { get }

  /// The token that a word becomes without merging, or -1.
  func wholeWord(_ text: Span<UInt8>, _ range: Range<Int>) -> Int32

  /// Appends the symbols from which the merging of a word starts.
  func appendSymbols(_ text: Span<UInt8>, _ range: Range<Int>, to symbols: inout [Int32])

  /// Appends the tokens of a symbol that nothing merges with any more.
  func appendTokens(of symbol: Int32, to ids: inout [Int32])
}

/// The working memory of one encoding thread: the merge lists of long words and a bounded cache of short ones.
struct MergeScratch {
  private struct CachedWord {
    var low: UInt64 = 0
    var high: UInt64 = 0
    var ids: (Int32, Int32, Int32, Int32) = (0, 0, 0, 0)
    /// 0 for an empty entry.
    var count = 0
  }

  /// 4,096 words of 48 bytes: it fits the second-level cache.
  private static let cacheCount = 4_096
  private var cache = [CachedWord](repeating: CachedWord(), count: MergeScratch.cacheCount)
  private var symbols: [Int32] = []
  private var ranks: [Int32] = []
  private var merged: [Int32] = []
  private var next: [Int32] = []
  private var previous: [Int32] = []
  private var heap: [UInt64] = []

  /// Words up to this length scan all pairs for each merge; longer ones keep a heap.
  private static let shortLength = 48

  /// Appends the ids of `text[range]`, one word.
  mutating func encode(
    _ text: Span<UInt8>,
    _ range: Range<Int>,
    _ vocabulary: borrowing some MergeVocabulary,
    into ids: inout [Int32]
  ) {
    let length = range.count
    guard length <= 15 else {
      merge(text, range, vocabulary, into: &ids)
      return
    }
    var low: UInt64 = 0
    var high = UInt64(length) << 56
    for offset in 0..<length {
      let byte = UInt64(text[range.lowerBound + offset])
      if offset < 8 { low |= byte << UInt64(offset * 8) } else { high |= byte << UInt64(offset * 8 - 64) }
    }
    let hash = (low ^ high &* 0x9e37_79b9_7f4a_7c15) &* 0xff51_afd7_ed55_8ccd
    let slot = Int(truncatingIfNeeded: hash >> 40) & (Self.cacheCount - 1)
    let entry = cache[slot]
    if entry.count > 0, entry.low == low, entry.high == high {
      ids.append(entry.ids.0)
      if entry.count > 1 { ids.append(entry.ids.1) }
      if entry.count > 2 { ids.append(entry.ids.2) }
      if entry.count > 3 { ids.append(entry.ids.3) }
      return
    }
    let start = ids.count
    merge(text, range, vocabulary, into: &ids)
    let count = ids.count - start
    guard count > 0, count <= 4 else { return }
    cache[slot] = CachedWord(
      low: low,
      high: high,
      ids: (
        ids[start], count > 1 ? ids[start + 1] : 0, count > 2 ? ids[start + 2] : 0,
        count > 3 ? ids[start + 3] : 0
      ),
      count: count
    )
  }

  private mutating func merge(
    _ text: Span<UInt8>,
    _ range: Range<Int>,
    _ vocabulary: borrowing some MergeVocabulary,
    into ids: inout [Int32]
  ) {
    let whole = vocabulary.wholeWord(text, range)
    guard whole < 0 else {
      ids.append(whole)
      return
    }
    symbols.removeAll(keepingCapacity: symbols.capacity <= 65_536)
    vocabulary.appendSymbols(text, range, to: &symbols)
    if symbols.count <= Self.shortLength {
      mergeShort(vocabulary.pairs)
    } else {
      mergeLong(vocabulary.pairs)
    }
    for symbol in symbols where symbol >= 0 { vocabulary.appendTokens(of: symbol, to: &ids) }
  }

  private mutating func mergeShort(_ pairs: borrowing PairTable) {
    var count = symbols.count
    guard count > 1 else { return }
    ranks.removeAll(keepingCapacity: true)
    merged.removeAll(keepingCapacity: true)
    for index in 0..<count - 1 {
      let rule = pairs.rule(symbols[index], symbols[index + 1])
      ranks.append(rule.rank)
      merged.append(rule.id)
    }
    while count > 1 {
      var best = 0
      for index in 1..<max(count - 1, 1) where ranks[index] < ranks[best] { best = index }
      guard ranks[best] != .max else { break }
      symbols[best] = merged[best]
      symbols.remove(at: best + 1)
      ranks.remove(at: best)
      merged.remove(at: best)
      count -= 1
      if best > 0 { update(best - 1, pairs) }
      if best < count - 1 { update(best, pairs) }
    }
  }

  private mutating func update(_ index: Int, _ pairs: borrowing PairTable) {
    let rule = pairs.rule(symbols[index], symbols[index + 1])
    ranks[index] = rule.rank
    merged[index] = rule.id
  }

  /// A linked list of symbols and a heap of (rank, place): O(*n* log *n*) for one word of *n* bytes.
  private mutating func mergeLong(_ pairs: borrowing PairTable) {
    let count = symbols.count
    next = (0..<count).map { Int32(truncatingIfNeeded: $0 + 1) }
    previous = (0..<count).map { Int32(truncatingIfNeeded: $0 - 1) }
    heap.removeAll(keepingCapacity: false)
    for index in 0..<count - 1 { offer(index, pairs) }
    while let entry = pop() {
      let index = Int(entry & 0xffff_ffff)
      let right = Int(next[index])
      guard right < count, symbols[index] != -2 else { continue }
      let rule = pairs.rule(symbols[index], symbols[right])
      guard UInt64(truncatingIfNeeded: Int(rule.rank)) == entry >> 32, rule.rank != .max else { continue }
      symbols[index] = rule.id
      symbols[right] = -2
      let after = Int(next[right])
      next[index] = Int32(truncatingIfNeeded: after)
      if after < count {
        previous[after] = Int32(truncatingIfNeeded: index)
        offer(index, pairs)
      }
      if previous[index] >= 0 { offer(Int(previous[index]), pairs) }
    }
    next = []
    previous = []
    heap = []
  }

  private mutating func offer(_ index: Int, _ pairs: borrowing PairTable) {
    let rule = pairs.rule(symbols[index], symbols[Int(next[index])])
    guard rule.rank != .max else { return }
    heap.append(UInt64(truncatingIfNeeded: Int(rule.rank)) << 32 | UInt64(index))
    var child = heap.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard heap[child] < heap[parent] else { break }
      heap.swapAt(child, parent)
      child = parent
    }
  }

  private mutating func pop() -> UInt64? {
    guard let top = heap.first, let last = heap.popLast() else { return nil }
    guard !heap.isEmpty else { return top }
    heap[0] = last
    var parent = 0
    while true {
      var child = 2 * parent + 1
      guard child < heap.count else { break }
      if child + 1 < heap.count, heap[child + 1] < heap[child] { child += 1 }
      guard heap[child] < heap[parent] else { break }
      heap.swapAt(child, parent)
      parent = child
    }
    return top
  }
}

/// Working memory kept between calls, as much as a few threads need at once.
final class MergeScratches: Sendable {
  private let kept = Mutex<[MergeScratch]>([])

  /// Lends memory for the time of `body`.
  func withScratch(_ body: (inout MergeScratch) -> Void) {
    var scratch = kept.withLock { $0.popLast() } ?? MergeScratch()
    body(&scratch)
    kept.withLock { if $0.count < 4 { $0.append(scratch) } }
  }
}
