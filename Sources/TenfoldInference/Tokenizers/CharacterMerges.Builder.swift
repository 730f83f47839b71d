// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

extension CharacterMerges {
  /// Looks at each rule of a vocabulary once.
  ///
  /// It needs no ids, so that it can do so beside whoever looks those up.
  struct Builder {
    /// A rule that merges a character of several bytes, on one of its sides or on both, and the place where it does.
    private struct CharacterRule {
      var rank: UInt32
      var place: Place
      var isLastAlone: Bool
      var isFirstAlone: Bool
    }

    /// A rule that merges bytes of one character.
    private struct ByteRule {
      var pair: UInt64
      var rank: UInt32
    }

    private var unsettled: Set<UnsettledPlaces.Rule> = []
    private var neighbours = Neighbours()
    /// The characters that some rule completes.
    private var characters: [UInt32] = []
    private var byteRules: [ByteRule] = []
    private var characterRules: [CharacterRule] = []
    private var bytes: [UInt8] = []

    /// Looks at the rules of a vocabulary, spelled in the byte alphabet, the first to apply first; those that are no rules are
    /// passed over.
    init(_ merges: GGUFStringArray) {
      var rank: UInt32 = 0
      merges.visit { (source, range) in
        let split = BytePairVocabulary.Spelled.space(source, range)
        if split + 1 < range.upperBound {
          add(source, range.lowerBound..<split, split + 1..<range.upperBound, rank)
        }
        rank += 1
      }
    }

    /// Adds a rule, whose two sides are in two ranges with one byte between them.
    private mutating func add(_ source: RawSpan, _ first: Range<Int>, _ second: Range<Int>, _ rank: UInt32) {
      // Most rules are plain ASCII, many after a space, which is spelled as U+0120.
      let isSpaced = ByteNumber.load(source, first.lowerBound, count: 2) == 0xa0c4
      let start = first.lowerBound + (isSpaced ? 2 : 0)
      if Self.isASCII(source, start..<second.upperBound) {
        let last = first.upperBound == start ? 0x20 : ByteNumber.load(source, first.upperBound - 1, count: 1)
        neighbours.insert(
          UInt32(truncatingIfNeeded: last),
          UInt32(truncatingIfNeeded: ByteNumber.load(source, second.lowerBound, count: 1))
        )
        return
      }
      bytes.removeAll(keepingCapacity: true)
      // What isn't spelled in the alphabet is never made of bytes.
      guard append(source, first) else { return }
      let cut = bytes.count
      guard append(source, second) else { return }
      add(cut, rank)
    }

    /// Adds a rule that cuts `bytes`.
    private mutating func add(_ cut: Int, _ rank: UInt32) {
      let (last, first) = (bytes[cut - 1], bytes[cut])
      guard first < 0x80 || first >= 0xC0 else {
        // Within a character: is it the last merge of one?
        guard bytes.count <= 4 else { return }
        let pair = Self.pair(Self.packed(bytes.span, 0..<cut), Self.packed(bytes.span, cut..<bytes.count))
        byteRules.append(ByteRule(pair: pair, rank: rank))
        if let whole = wholeCharacters(0..<bytes.count), whole.count == 1 { characters.append(whole.first) }
        return
      }
      let (left, right) = (wholeCharacters(0..<cut), wholeCharacters(cut..<bytes.count))
      guard let left, let right else {
        unsettled.insert(
          UnsettledPlaces.Rule(
            last: left.map { .character($0.last) } ?? .byte(last),
            first: right.map { .character($0.first) } ?? .byte(first),
            lastByte: last,
            firstByte: first
          )
        )
        return
      }
      neighbours.insert(left.last, right.first)
      let isLastAlone = left.count == 1 && cut > 1
      let isFirstAlone = right.count == 1 && bytes.count - cut > 1
      guard isLastAlone || isFirstAlone else { return }
      characterRules.append(
        CharacterRule(
          rank: rank,
          place: Place(
            lastCharacter: left.last,
            firstCharacter: right.first,
            lastByte: last,
            firstByte: first
          ),
          isLastAlone: isLastAlone,
          isFirstAlone: isFirstAlone
        )
      )
    }

    private static func isASCII(_ source: RawSpan, _ range: Range<Int>) -> Bool {
      var place = range.lowerBound
      while place < range.upperBound {
        let bytes = ByteNumber.load(source, place, count: range.upperBound - place)
        guard bytes & 0x8080_8080_8080_8080 == 0 else { return false }
        place += 8
      }
      return true
    }

    /// Appends the bytes that a spelling stands for, at least one; `false` if it isn't in the alphabet.
    private mutating func append(_ source: RawSpan, _ range: Range<Int>) -> Bool {
      let table = ByteLevelAlphabet.bytes
      var place = range.lowerBound
      while place < range.upperBound {
        let pair = ByteNumber.load(source, place, count: min(2, range.upperBound - place))
        var scalar = Int(pair & 0xff)
        place += 1
        if scalar >= 0x80 {
          guard pair & 0xc0e0 == 0x80c0 else { return false }
          scalar = (scalar & 0x1f) << 6 | Int(pair >> 8) & 0x3f
          place += 1
        }
        guard scalar < table.count, table[scalar] >= 0 else { return false }
        bytes.append(UInt8(truncatingIfNeeded: table[scalar]))
      }
      return !range.isEmpty
    }

    /// The first and the last of the characters in a range of `bytes`, and how many there are; `nil` unless all are whole.
    private func wholeCharacters(_ range: Range<Int>) -> (first: UInt32, last: UInt32, count: Int)? {
      let text = bytes.span
      var characters: (first: UInt32, last: UInt32, count: Int) = (0, 0, 0)
      var place = range.lowerBound
      while place < range.upperBound {
        let length = UTF8Scanner.length(text[place])
        guard place + length <= range.upperBound, length > 1 || text[place] < 0x80 else { return nil }
        for next in place + 1..<place + length where text[next] & 0xC0 != 0x80 { return nil }
        characters.last = UTF8Scanner.scalar(text, at: place).value
        // Longer than need be, or beyond Unicode: in no text.
        guard UTF8Scanner.length(of: characters.last) == length, characters.last < 0x11_0000 else {
          return nil
        }
        if characters.count == 0 { characters.first = characters.last }
        characters.count += 1
        place += length
      }
      return characters
    }

    /// What the rules do with whole characters.
    consuming func finish() -> Finished {
      var rules = IntegerTable(capacity: byteRules.count)
      for rule in byteRules { rules.insert(rule.pair, Int32(truncatingIfNeeded: rule.rank)) }
      // The last of the rules that it takes to make each character.
      var latest = IntegerTable(capacity: characters.count)
      var completing: [(character: UInt32, rank: Int32)] = []
      completing.reserveCapacity(characters.count)
      for character in characters {
        bytes.removeAll(keepingCapacity: true)
        UTF8Scanner.append(character, to: &bytes)
        guard let rank = Self.ranks(bytes.span, rules) else { continue }
        latest.insert(UInt64(character), rank.highest)
        completing.append((character, rank.last))
      }
      for rule in characterRules {
        let place = rule.place
        let last = rule.isLastAlone ? latest[UInt64(place.lastCharacter)] : -1
        let first = rule.isFirstAlone ? latest[UInt64(place.firstCharacter)] : -1
        guard Int(rule.rank) <= max(last, first) else { continue }
        unsettled.insert(
          UnsettledPlaces.Rule(
            last: .character(place.lastCharacter),
            first: .character(place.firstCharacter),
            lastByte: place.lastByte,
            firstByte: place.firstByte
          )
        )
      }
      return Finished(completing: completing, unsettled: UnsettledPlaces(unsettled), neighbours: neighbours)
    }

    /// The ranks of the rules by which the bytes of a character become one symbol, the last of them and the highest; `nil` if
    /// they don't.
    private static func ranks(_ bytes: Span<UInt8>, _ rules: IntegerTable) -> (last: Int32, highest: Int32)? {
      // Where the parts begin, one byte each, and after them the end.
      var starts = Array(0...bytes.count)
      var (last, highest) = (Int32(-1), Int32(-1))
      while starts.count > 2 {
        var best: (rank: Int32, number: Int)?
        for number in 1..<starts.count - 1 {
          let pair = pair(
            packed(bytes, starts[number - 1]..<starts[number]),
            packed(bytes, starts[number]..<starts[number + 1])
          )
          let rank = rules[pair]
          if rank >= 0, best.map({ rank < $0.rank }) ?? true { best = (rank, number) }
        }
        guard let best else { return nil }
        last = best.rank
        highest = max(highest, last)
        starts.remove(at: best.number)
      }
      return (last, highest)
    }

    /// One to four bytes as a number.
    @inline(__always)
    private static func packed(_ bytes: Span<UInt8>, _ range: Range<Int>) -> UInt64 {
      var number: UInt64 = 1
      for place in range { number = number << 8 | UInt64(bytes[place]) }
      return number
    }

    private static func pair(_ left: UInt64, _ right: UInt64) -> UInt64 { left << 32 ^ right }
  }

  /// What the rules do, but for the ids.
  struct Finished: Sendable {
    /// The characters that bytes become, and the rank of the rule by which they do in the end.
    fileprivate let completing: [(character: UInt32, rank: Int32)]
    fileprivate let unsettled: UnsettledPlaces
    fileprivate let neighbours: Neighbours
  }

  /// Takes over what a builder found.
  ///
  /// - Parameters:
  ///   - found: What it found.
  ///   - rules: All rules by rank, which tell the symbols.
  init(_ found: Finished, _ rules: [PairTable.Rule]) {
    var symbols = [Int32](repeating: -1, count: 0x10000)
    var others = IntegerTable(capacity: found.completing.count { $0.character >= 0x10000 })
    for (character, rank) in found.completing where Int(rank) < rules.count {
      let symbol = rules[Int(rank)].result
      if character < 0x10000 {
        symbols[Int(character)] = symbol
      } else {
        others.insert(UInt64(character), symbol)
      }
    }
    self.init(
      symbols: symbols,
      otherSymbols: others,
      unsettled: found.unsettled,
      neighbours: found.neighbours
    )
  }
}
