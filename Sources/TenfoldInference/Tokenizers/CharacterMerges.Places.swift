// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

extension CharacterMerges {
  /// The places at which rules merge parts of characters.
  struct UnsettledPlaces: Sendable {
    /// One side of a place: a whole character, or the byte at the end of a part of one.
    enum Side: Hashable {
      case character(UInt32)
      case byte(UInt8)

      fileprivate var key: UInt64 {
        switch self {
        case .character(let character): UInt64(character)
        case .byte(let byte): 1 << 31 | UInt64(byte)
        }
      }
    }

    /// Where a rule merges, and the two bytes there.
    struct Rule: Hashable {
      var last: Side
      var first: Side
      var lastByte: UInt8
      var firstByte: UInt8
    }

    /// One bit for each pair of bytes, so that nearly all places are told apart at once.
    private var bits = [UInt64](repeating: 0, count: 1 << 10)
    private var sides: IntegerTable

    /// The places of some rules, and those within characters, which are before a continuation byte.
    init(_ rules: Set<Rule>) {
      sides = IntegerTable(capacity: rules.count)
      for last in UInt8.min...UInt8.max {
        for first in UInt8(0x80)...0xBF { mark(last, first) }
      }
      for rule in rules {
        mark(rule.lastByte, rule.firstByte)
        sides.insert(Self.key(rule.last, rule.first), 0)
      }
    }

    private mutating func mark(_ last: UInt8, _ first: UInt8) {
      bits[Int(last) << 2 | Int(first >> 6)] |= 1 << UInt64(first & 63)
    }

    @inline(__always)
    private static func key(_ last: Side, _ first: Side) -> UInt64 { last.key << 32 | first.key }

    @inline(__always)
    func contains(_ place: Place) -> Bool {
      let bit = bits[Int(place.lastByte) << 2 | Int(place.firstByte >> 6)] >> UInt64(place.firstByte & 63) & 1
      return bit != 0 && containsExactly(place)
    }

    private func containsExactly(_ place: Place) -> Bool {
      if place.firstByte & 0xC0 == 0x80 { return true }
      let last = (Side.character(place.lastCharacter), Side.byte(place.lastByte))
      let first = (Side.character(place.firstCharacter), Side.byte(place.firstByte))
      return sides[Self.key(last.0, first.1)] >= 0 || sides[Self.key(last.1, first.0)] >= 0
        || sides[Self.key(last.1, first.1)] >= 0 || sides[Self.key(last.0, first.0)] >= 0
    }
  }

  /// Pairs of characters, and a few more than were inserted: one bit a hash, of 2^20.
  struct Neighbours: Sendable {
    private var bits = [UInt64](repeating: 0, count: 1 << 14)

    mutating func insert(_ last: UInt32, _ first: UInt32) {
      let hash = Self.hash(last, first)
      bits[hash >> 6] |= 1 << UInt64(hash & 63)
    }

    @inline(__always)
    func mayContain(_ last: UInt32, _ first: UInt32) -> Bool {
      let hash = Self.hash(last, first)
      return bits[hash >> 6] >> UInt64(hash & 63) & 1 != 0
    }

    @inline(__always)
    private static func hash(_ last: UInt32, _ first: UInt32) -> Int {
      Int(((last &* 0x9e37_79b1 ^ first) &* 0x85eb_ca77) >> 12)
    }
  }
}
