// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// What merging needs to know of a vocabulary besides its rules.
protocol MergeVocabulary {
  /// The token that a word becomes without merging, or -1.
  func wholeWord(_ text: Span<UInt8>, _ range: Range<Int>) -> Int32

  /// Appends the symbols from which the merging of a word starts.
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
      merge(text, range, vocabulary, into: &ids)
      return
    }
    let key = WordKey(text, range)
    let place = WordCache.place(key)
    if cache.append(key, at: place, to: &ids) { return }
    let start = ids.count
    merge(text, range, vocabulary, into: &ids)
    cache.keep(key, at: place, ids, from: start)
  }

  @inline(never)
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
    merger.removeAll()
    vocabulary.appendSymbols(text, range, to: &merger.symbols)
    let count = merger.merge(&pairs)
    for index in 0..<count { vocabulary.appendTokens(of: merger.symbols[index], to: &ids) }
  }
}
