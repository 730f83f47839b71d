// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The ids of short words met lately: a table of fixed size in which a new word takes the place of an old one.
///
/// It has room for 16,384 words of up to ``WordKey/longestWord`` bytes and ``mostIDs`` ids, in 1 MiB. Words are compared byte
/// by byte, so that the cache changes no id.
struct WordCache: Sendable {
  /// The most ids of a word that is kept.
  static let mostIDs = 7
  private static let bits: UInt64 = 14
  /// Eight numbers a word: its key, then the number of its ids and the ids, two to a number.
  private var table = [UInt64](repeating: 0, count: 8 << WordCache.bits)

  /// The place where a word is, if it is kept.
  @inline(__always)
  static func place(_ key: WordKey) -> Int { key.hash(bits: bits) << 3 }

  /// Appends the ids of the word at its place; `false` if it isn't kept.
  @inline(__always)
  func append(_ key: WordKey, at place: Int, to ids: inout [Int32]) -> Bool {
    let table = table.span
    guard table[place] == key.first, table[place + 1] == key.second, table[place + 2] == key.third,
      table[place + 3] == key.fourth
    else { return false }
    let head = table[place + 4]
    let count = Int(truncatingIfNeeded: head & 0xffff_ffff)
    guard count > 0 else { return true }
    ids.append(Int32(truncatingIfNeeded: head >> 32))
    var index = 2
    while index <= count {
      let pair = table[place + 4 + index >> 1]
      ids.append(Int32(truncatingIfNeeded: index & 1 == 0 ? pair : pair >> 32))
      index += 1
    }
    return true
  }

  /// Keeps a word and its ids, those from `start` on; what was at its place goes.
  mutating func keep(_ key: WordKey, at place: Int, _ ids: [Int32], from start: Int) {
    let count = ids.count - start
    guard count <= Self.mostIDs else { return }
    table[place] = key.first
    table[place + 1] = key.second
    table[place + 2] = key.third
    table[place + 3] = key.fourth
    table[place + 4] = UInt64(truncatingIfNeeded: count)
    for index in 0..<count {
      let id = UInt64(UInt32(bitPattern: ids[start + index]))
      let number = place + 4 + (index + 1) >> 1
      if index & 1 == 0 { table[number] |= id << 32 } else { table[number] = id }
    }
  }
}
