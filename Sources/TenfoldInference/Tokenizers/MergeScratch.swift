// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// What merging needs to know of a vocabulary besides its rules.
protocol MergeVocabulary {
  /// The token that a word becomes without merging, or -1.
  func wholeWord(_ text: Span<UInt8>, _ range: Range<Int>) -> Int32

  /// The first place in a word that no rule reaches across, or its end: what is before it is merged by itself.
  func partEnd(_ text: Span<UInt8>, _ range: Range<Int>) -> Int

  /// Appends the symbols from which the merging of a part of a word starts.
  func appendSymbols(_ text: Span<UInt8>, _ range: Range<Int>, to symbols: inout [Int32])

  /// Appends the tokens of a symbol that nothing merges with any more.
  func appendTokens(of symbol: Int32, to ids: inout [Int32])
}

/// The working memory of one encoding thread: a bounded cache of short words, and what merging the others takes.
struct MergeScratch: Sendable {
  private var cache = WordCache()
  private var merger = SymbolMerger()
  private var pairs: MemoizedPairs

  /// Makes the memory for one vocabulary's rules.
  init(_ pairs: PairTable) { self.pairs = MemoizedPairs(pairs) }

  /// Appends the ids of `text[range]`, one word.
  @inline(__always)
  mutating func encode(
    _ text: Span<UInt8>,
    _ range: Range<Int>,
    _ vocabulary: borrowing some MergeVocabulary,
    into ids: inout [Int32]
  ) {
    guard range.count <= WordKey.longestWord else {
      encodeParts(text, range, vocabulary, into: &ids)
      return
    }
    let key = WordKey(text, range)
    let place = WordCache.place(key)
    if cache.append(key, at: place, to: &ids) { return }
    let start = ids.count
    encodeParts(text, range, vocabulary, into: &ids)
    cache.keep(key, at: place, ids, from: start)
  }

  /// Appends the ids of a word that isn't remembered, whose parts may be.
  @inline(never)
  private mutating func encodeParts(
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
    var start = range.lowerBound
    while start < range.upperBound {
      let part = start..<vocabulary.partEnd(text, start..<range.upperBound)
      start = part.upperBound
      guard part.count <= WordKey.longestWord, part.count < range.count else {
        merge(text, part, vocabulary, into: &ids)
        continue
      }
      let key = WordKey(text, part, isPart: true)
      let place = WordCache.place(key)
      if cache.append(key, at: place, to: &ids) { continue }
      let first = ids.count
      merge(text, part, vocabulary, into: &ids)
      cache.keep(key, at: place, ids, from: first)
    }
  }

  private mutating func merge(
    _ text: Span<UInt8>,
    _ part: Range<Int>,
    _ vocabulary: borrowing some MergeVocabulary,
    into ids: inout [Int32]
  ) {
    merger.removeAll()
    vocabulary.appendSymbols(text, part, to: &merger.symbols)
    let count = merger.merge(&pairs)
    for index in 0..<count { vocabulary.appendTokens(of: merger.symbols[index], to: &ids) }
  }
}
