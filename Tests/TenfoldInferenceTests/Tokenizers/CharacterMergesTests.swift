// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import Testing

@testable import TenfoldInference

@Suite("Byte-level merging that starts from characters")
struct CharacterMergesTests {
  /// Letters of one to four bytes, some of which share their first or last ones.
  private static let letters: [Character] = ["a", "b", "é", "è", "ж", "不", "丌", "是", "的", "皅", "𝒜", "𝒝"]

  enum Order: CaseIterable {
    /// Each rule after those that make its two sides, as training finds them.
    case trained
    /// A few of them in another place.
    case disturbed
    case random
  }

  private static func text(_ count: Int, _ generator: inout SeededGenerator) -> String {
    String((0..<count).map { _ in letters.randomElement(using: &generator) ?? "a" })
  }

  /// A vocabulary of rules that texts of the letters use, many of which cut characters.
  private static func vocabulary(
    _ order: Order,
    _ generator: inout SeededGenerator
  ) -> SmallModels.Vocabulary {
    var tokens = SmallVocabulary.alphabet
    var known = Set(tokens)
    var merges: [String] = []
    while merges.count < 90 {
      var symbols = text(.random(in: 2...4, using: &generator), &generator).utf8
        .map { SmallVocabulary.alphabet[Int($0)] }
      while symbols.count > 1, merges.count < 90, Int.random(in: 0..<6, using: &generator) > 0 {
        let places = symbols.indices.dropLast()
        guard let place = places.randomElement(using: &generator) else { break }
        let merge = symbols[place] + " " + symbols[place + 1]
        symbols[place] += symbols.remove(at: place + 1)
        if !merges.contains(merge) { merges.append(merge) }
        if known.insert(symbols[place]).inserted { tokens.append(symbols[place]) }
      }
    }
    switch order {
    case .trained: break
    case .disturbed:
      for _ in 0..<8 {
        let merge = merges.remove(at: .random(in: 0..<merges.count, using: &generator))
        merges.insert(merge, at: .random(in: 0...merges.count, using: &generator))
      }
    case .random: merges.shuffle(using: &generator)
    }
    return SmallModels.Vocabulary(
      tokens: tokens,
      kinds: tokens.map { _ in 1 },
      merges: merges,
      scores: nil
    )
  }

  @Test(
    "gives the tokens of merging bytes, whatever the rules",
    arguments: Order.allCases,
    1...12 as ClosedRange<UInt64>
  )
  func tokens(_ order: Order, _ seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    for round in 0..<4 {
      let vocabulary = Self.vocabulary(order, &generator)
      let plain = try PlainBytePair("gpt-2", vocabulary)
      let tokenizer = try SmallModels.bytePair("gpt-2", vocabulary)
      for _ in 0..<12 {
        let text = Self.text(.random(in: 1...40, using: &generator), &generator)
        let ids = plain.encode(text)
        #expect(tokenizer.encode(text) == ids, "seed \(seed), round \(round), \(order): \(text)")
      }
    }
  }

  @Test("takes rules that make what is no UTF-8, which no text has")
  func invalid() throws {
    // Too long, a surrogate, beyond Unicode, a lone continuation, and a lead byte without one.
    let sequences: [[UInt8]] = [
      [0xC1, 0x81], [0xE0, 0x80, 0x80], [0xE0, 0x9F, 0xBF], [0xF0, 0x80, 0x80, 0x80], [0xED, 0xA0, 0x80],
      [0xF4, 0x90, 0x80, 0x80], [0xFF, 0xBF, 0xBF, 0xBF], [0x80, 0x80], [0xE4, 0x41], [0xE4, 0xB8, 0xE4],
    ]
    var tokens = SmallVocabulary.alphabet
    var merges: [String] = []
    for bytes in sequences {
      let spelled = bytes.map { SmallVocabulary.alphabet[Int($0)] }
      for count in 2...bytes.count {
        let token = spelled[..<count].joined()
        if tokens.contains(token) { continue }
        tokens.append(token)
        merges.append(spelled[..<(count - 1)].joined() + " " + spelled[count - 1])
      }
    }
    let vocabulary = SmallModels.Vocabulary(
      tokens: tokens,
      kinds: tokens.map { _ in 1 },
      merges: merges,
      scores: nil
    )
    let tokenizer = try SmallModels.bytePair("gpt-2", vocabulary)
    let plain = try PlainBytePair("gpt-2", vocabulary)
    for text in ["A不A", "\u{FFFD}\u{7FF}\u{800}", "𝒜不中\u{10FFFF}"] {
      #expect(tokenizer.encode(text) == plain.encode(text), "\(text)")
    }
    #expect(!tokenizer.encode(utf8: [0xC1, 0x81, 0xFF, 0x80], parsingSpecial: false).isEmpty)
  }

  @Test("cuts runs of characters where no rule joins them, and nowhere else")
  func cuts() throws {
    func spelled(_ text: String) -> String {
      text.utf8.map { SmallVocabulary.alphabet[Int($0)] }.joined()
    }
    func merge(_ left: [UInt8], _ right: [UInt8]) -> String {
      left.map { SmallVocabulary.alphabet[Int($0)] }.joined() + " "
        + right.map { SmallVocabulary.alphabet[Int($0)] }.joined()
    }
    // 不 is E4 B8 8D, 是 E6 98 AF, 丌 E4 B8 8C; 丌 is no token, and a part of it is merged with the one before.
    let merges = [
      merge([0xE4], [0xB8]), merge([0xE4, 0xB8], [0x8D]), merge([0xE6], [0x98]), merge([0xE6, 0x98], [0xAF]),
      spelled("不") + " " + spelled("是"), merge([0xAF], [0xE4, 0xB8]),
    ]
    let vocabulary = SmallModels.Vocabulary(
      tokens: SmallVocabulary.alphabet + merges.map { $0.split(separator: " ").joined() },
      kinds: Array(repeating: 1, count: 256 + merges.count),
      merges: merges,
      scores: nil
    )
    let metadata = try SmallModels.bytePairMetadata("gpt-2", vocabulary)
    let tables = try BytePairVocabulary(
      tokens: #require(metadata["tokenizer.ggml.tokens"]?.stringArray),
      kinds: Array(repeating: .normal, count: vocabulary.tokens.count),
      merges: #require(metadata["tokenizer.ggml.merges"]?.stringArray),
      ignoresMerges: false
    )
    func parts(_ text: String) -> [[Int32]] {
      let bytes = Array(text.utf8)
      var (parts, start): ([[Int32]], Int) = ([], 0)
      while start < bytes.count {
        let part = start..<tables.partEnd(bytes.span, start..<bytes.count)
        var symbols: [Int32] = []
        tables.appendSymbols(bytes.span, part, to: &symbols)
        parts.append(symbols)
        start = part.upperBound
      }
      return parts
    }
    // 257 is 不 and 259 是.
    #expect(parts("不是") == [[257, 259]])
    #expect(parts("不不") == [[257], [257]])
    #expect(parts("a不a") == [[0x61], [257], [0x61]])
    // What may merge with a part of the next character starts from bytes.
    #expect(parts("是不") == [[0xE6, 0x98, 0xAF, 0xE4, 0xB8, 0x8D]])
    #expect(parts("丌") == [[0xE4, 0xB8, 0x8C]])
  }
}
