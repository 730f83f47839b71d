// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Finds the token that stands for some bytes: open addressing over the bytes of all tokens, which it shares.
struct TokenIndex: Sendable {
  /// A search for a token's bytes that has begun.
  struct Search {
    fileprivate let hash: UInt64
    /// What is in the first slot.
    fileprivate var found = TokenIndex.free
  }

  private struct Entry {
    var hash: UInt64
    var id: Int
  }

  private let bytes: [UInt8]
  private let starts: [Int]
  /// 44 bits of a token's hash, then its number in 20.
  private var slots: [UInt64]
  private let mask: Int
  fileprivate static let free = UInt64.max
  private static let numberBits: UInt64 = 1 << 20 - 1
  /// Whether some tokens can't be found because others have the same bytes.
  private(set) var hidesTokens = false
  /// Whether different tokens have the same 44 bits.
  private var hasEqualTags = false

  /// Indexes at most ``PairTable/symbolLimit`` tokens; of those with equal bytes the last is found.
  ///
  /// - Parameters:
  ///   - bytes: The bytes of all tokens, one after the other.
  ///   - starts: Where each token's bytes start; one more than there are tokens.
  ///   - isIndexed: Which tokens can be found.
  init(bytes: [UInt8], starts: [Int], where isIndexed: (Int) -> Bool) {
    self.bytes = bytes
    self.starts = starts
    var size = 16
    // At most three fifths are taken.
    while size * 3 < starts.count * 5 { size *= 2 }
    slots = Array(repeating: Self.free, count: size)
    mask = size - 1
    // A view of plain bytes, for the length of the call.
    let all = unsafe bytes.span.bytes
    var haveEqualTags = false
    var entries: [Entry] = []
    entries.reserveCapacity(starts.count)
    for id in 0..<starts.count - 1 where starts[id] < starts[id + 1] && isIndexed(id) {
      entries.append(Entry(hash: Self.hash(all, starts[id]..<starts[id + 1]), id: id))
    }
    let (mask, shift) = (mask, max(0, size.trailingZeroBitCount - 8))
    let sorted = entries.sorted(intoParts: 256) { (Int(truncatingIfNeeded: $0.hash) & mask) >> shift }
    for entry in sorted {
      let slot = place(entry.hash, all, starts[entry.id]..<starts[entry.id + 1], &haveEqualTags)
      if slots[slot] != Self.free { hidesTokens = true }
      slots[slot] = Self.tag(entry.hash) | UInt64(truncatingIfNeeded: entry.id)
    }
    hasEqualTags = haveEqualTags
  }

  /// The token that stands for `text[range]`, or -1.
  @inline(__always)
  func id(_ text: Span<UInt8>, _ range: Range<Int>) -> Int32 {
    // A view of plain bytes, for the length of the call.
    unsafe id(text.bytes, range)
  }

  /// The token that stands for the bytes in `range`, or -1.
  @inline(__always)
  func id(_ source: RawSpan, _ range: Range<Int>) -> Int32 {
    var differs = false
    let slot = slots[place(Self.hash(source, range), source, range, &differs)]
    return slot == Self.free ? -1 : Int32(truncatingIfNeeded: slot & Self.numberBits)
  }

  /// Begins to search for the bytes in `range`, which ``look(_:)`` goes on with.
  @inline(__always)
  func search(_ source: RawSpan, _ range: Range<Int>) -> Search { Search(hash: Self.hash(source, range)) }

  /// Looks where each of several tokens should be: the table is larger than the caches, and so they wait for it together.
  func look(_ searches: inout [Search]) {
    for index in searches.indices {
      searches[index].found = slots[Int(truncatingIfNeeded: searches[index].hash) & mask]
    }
  }

  /// The token that was searched for: that which stands for the bytes in `range`, which must be those of a token.
  ///
  /// The hash tells which, and no bytes are compared unless tokens share one. For bytes that are no token's it may be any, in
  /// about one of 2^40 cases, and is -1 in the others.
  @inline(__always)
  func idOfToken(_ search: Search, _ source: RawSpan, _ range: Range<Int>) -> Int32 {
    guard !hasEqualTags else { return id(source, range) }
    let tag = Self.tag(search.hash)
    var slot = Int(truncatingIfNeeded: search.hash) & mask
    var found = search.found
    while found != Self.free {
      if found & ~Self.numberBits == tag { return Int32(truncatingIfNeeded: found & Self.numberBits) }
      slot = (slot + 1) & mask
      found = slots[slot]
    }
    return -1
  }

  /// Whether a token's bytes are those of two ranges, one after the other.
  func stands(_ id: Int, for source: RawSpan, _ first: Range<Int>, _ second: Range<Int>) -> Bool {
    guard id + 1 < starts.count, starts[id + 1] - starts[id] == first.count + second.count else {
      return false
    }
    return equals(starts[id], source, first) && equals(starts[id] + first.count, source, second)
  }

  /// The slot of the token that stands for some bytes, or the free one where it belongs; notes if another has the same tag.
  @inline(__always)
  private func place(_ hash: UInt64, _ source: RawSpan, _ range: Range<Int>, _ differs: inout Bool) -> Int {
    let tag = Self.tag(hash)
    var slot = Int(truncatingIfNeeded: hash) & mask
    while true {
      let found = slots[slot]
      if found == Self.free { return slot }
      if found & ~Self.numberBits == tag {
        let id = Int(truncatingIfNeeded: found & Self.numberBits)
        if starts[id + 1] - starts[id] == range.count, equals(starts[id], source, range) { return slot }
        differs = true
      }
      slot = (slot + 1) & mask
    }
  }

  @inline(__always)
  private static func tag(_ hash: UInt64) -> UInt64 { hash & ~numberBits }

  @inline(__always)
  private func equals(_ start: Int, _ source: RawSpan, _ range: Range<Int>) -> Bool {
    // A view of plain bytes, for the length of the call.
    let own = unsafe bytes.span.bytes
    var offset = 0
    while offset < range.count {
      let count = range.count - offset
      guard
        ByteNumber.load(own, start + offset, count: count)
          == ByteNumber.load(source, range.lowerBound + offset, count: count)
      else { return false }
      offset += 8
    }
    return true
  }

  /// A number that depends on all bytes, eight at a time.
  @inline(__always)
  private static func hash(_ source: RawSpan, _ range: Range<Int>) -> UInt64 {
    var hash = UInt64(truncatingIfNeeded: range.count)
    var offset = range.lowerBound
    while offset < range.upperBound {
      hash ^= ByteNumber.load(source, offset, count: range.upperBound - offset)
      hash = hash &* 0x9e37_79b9_7f4a_7c15
      hash ^= hash >> 32
      offset += 8
    }
    return hash &* 0xff51_afd7_ed55_8ccd
  }
}
