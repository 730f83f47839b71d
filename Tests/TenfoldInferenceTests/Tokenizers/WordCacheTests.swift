// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import Testing

@testable import TenfoldInference

@Suite("Word cache")
struct WordCacheTests {
  @Test("a key tells words of every length apart, wherever they stand", arguments: [1, 2, 3] as [UInt64])
  func keys(_ seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    for length in 1...WordKey.longestWord {
      let word = (0..<length).map { _ in UInt8.random(in: 0...1, using: &generator) }
      let places = [0, 1, 7, 40].flatMap { before in [0, 1, 9, 40].map { (before, $0) } }
      let keys = places.map { before, after in
        let text = [UInt8](repeating: 9, count: before) + word + [UInt8](repeating: 8, count: after)
        return WordKey(text.span, before..<before + length)
      }
      for key in keys {
        #expect(Self.numbers(key) == Self.numbers(keys[0]), "seed \(seed), length \(length)")
        #expect(key.hash(bits: 14) == keys[0].hash(bits: 14))
      }
      if length < WordKey.longestWord {
        // A zero more is another word.
        let longer = word + [0]
        #expect(Self.numbers(WordKey(longer.span, 0..<length + 1)) != Self.numbers(keys[0]))
      }
    }
  }

  private static func numbers(_ key: WordKey) -> [UInt64] { [key.first, key.second, key.third, key.fourth] }

  @Test("keeps up to seven ids, none among them, and gives way to another word of its place")
  func keeping() {
    var cache = WordCache()
    let (one, other) = (Array("one".utf8), Array("other".utf8))
    let key = WordKey(one.span, 0..<3)
    for count in 0...8 {
      let word = Array("word\(count)".utf8)
      let key = WordKey(word.span, 0..<word.count)
      let place = WordCache.place(key)
      var ids: [Int32] = [-5]
      #expect(!cache.append(key, at: place, to: &ids))
      ids += (0..<count).map { Int32($0) - 3 }
      cache.keep(key, at: place, ids, from: 1)
      var found: [Int32] = [7]
      #expect(cache.append(key, at: place, to: &found) == (count <= 7))
      #expect(found == [7] + (count <= 7 ? ids.dropFirst() : []))
    }
    cache.keep(key, at: 0, [1], from: 0)
    cache.keep(WordKey(other.span, 0..<5), at: 0, [2], from: 0)
    var ids: [Int32] = []
    #expect(!cache.append(key, at: 0, to: &ids))
    #expect(cache.append(WordKey(other.span, 0..<5), at: 0, to: &ids) && ids == [2])
  }
}
