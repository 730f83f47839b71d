// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldCore

@testable import TenfoldInference

/// Byte-level BPE by its definition: the published patterns in a regular expression engine, and for each merge a look at
/// all pairs.
struct PlainBytePair {
  private static let gpt2 =
    #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
  private static func qwen2(digits: String) -> String {
    #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"# + digits
      + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
  }
  private static let patterns: [String: [String]] = [
    "gpt-2": [gpt2], "smollm": [#"\p{N}"#, gpt2], "qwen2": [qwen2(digits: #"\p{N}"#)],
    "llama-bpe": [qwen2(digits: #"\p{N}{1,3}"#)],
    "default": [#"[\p{P}$+<=>^~|]+"#, gpt2, #"\p{N}+"#, "[0-9][0-9][0-9]"],
  ]

  private let expressions: [Regex<AnyRegexOutput>]
  private let ids: [String: Int32]
  private let ranks: [[String]: Int]
  private let ignoresMerges: Bool

  init(_ pre: String, _ vocabulary: SmallModels.Vocabulary) throws {
    expressions = try (Self.patterns[pre] ?? []).map { try Regex($0).matchingSemantics(.unicodeScalar) }
    ids = Dictionary(
      zip(vocabulary.tokens, 0...).filter { vocabulary.kinds[Int($0.1)] == 1 },
      uniquingKeysWith: { $1 }
    )
    ranks = Dictionary(
      (vocabulary.merges ?? []).enumerated().map { ($1.split(separator: " ").map(String.init), $0) },
      uniquingKeysWith: { first, _ in first }
    )
    ignoresMerges = pre == "llama-bpe"
  }

  /// What each expression matches is apart from what lies between; the next is applied to the parts.
  func words(_ text: String) -> [String] {
    expressions.reduce(text.isEmpty ? [] : [text]) { parts, expression in
      parts.flatMap { part in
        var words: [String] = []
        var end = part.startIndex
        for match in part.matches(of: expression) where !match.range.isEmpty {
          if end < match.range.lowerBound { words.append(String(part[end..<match.range.lowerBound])) }
          words.append(String(part[match.range]))
          end = match.range.upperBound
        }
        return end < part.endIndex ? words + [String(part[end...])] : words
      }
    }
  }

  func encode(_ text: String) -> [Int32] {
    words(text).flatMap { word in
      var symbols = word.utf8.map { SmallVocabulary.alphabet[Int($0)] }
      if ignoresMerges, let id = ids[symbols.joined()] { return [id] }
      while true {
        let best = symbols.indices.dropLast()
          .filter { ranks[[symbols[$0], symbols[$0 + 1]]] != nil }
          .min { ranks[[symbols[$0], symbols[$0 + 1]]]! < ranks[[symbols[$1], symbols[$1 + 1]]]! }
        guard let best else { break }
        symbols[best] += symbols.remove(at: best + 1)
      }
      return symbols.map { ids[$0]! }
    }
  }
}

/// SentencePiece's BPE by its definition: the whole text at once, and for each merge a look at all pairs.
///
/// Pieces are bytes here: strings that are canonically equivalent are equal, and different pieces.
struct PlainSentencePiece {
  private var ids: [[UInt8]: Int32] = [:]
  private var scores: [[UInt8]: Float] = [:]
  private var bytes = [Int32](repeating: -1, count: 256)

  init(_ vocabulary: SmallModels.Vocabulary) {
    for (id, token) in vocabulary.tokens.enumerated() {
      if vocabulary.kinds[id] == 1 {
        ids[Array(token.utf8)] = Int32(id)
        scores[Array(token.utf8)] = vocabulary.scores?[id]
      } else if vocabulary.kinds[id] == 6 {
        bytes[Int(token.dropFirst(3).prefix(2), radix: 16)!] = Int32(id)
      }
    }
  }

  func encode(_ text: String) -> [Int32] {
    guard !text.isEmpty else { return [] }
    let space = Array("▁".utf8)
    var symbols = (" " + text).unicodeScalars.map { $0 == " " ? space : Array(String($0).utf8) }
    while true {
      let best = symbols.indices.dropLast()
        .filter { scores[symbols[$0] + symbols[$0 + 1]] != nil }
        .max { (scores[symbols[$0] + symbols[$0 + 1]]!, -$0) < (scores[symbols[$1] + symbols[$1 + 1]]!, -$1) }
      guard let best else { break }
      symbols[best] += symbols.remove(at: best + 1)
    }
    return symbols.flatMap { symbol in
      ids[symbol].map { [$0] } ?? (symbol == space ? [0x20] : symbol).map { bytes[Int($0)] }
    }
  }
}

/// WordPiece by its definition: all of the text normalised at once, and for each piece a try of all lengths.
struct PlainWordPiece {
  private let ids: [[UInt8]: Int32]
  private let normalizer: BertNormalizer

  init(vocabulary: String, isCased: Bool) {
    ids = Dictionary(
      zip(Array(vocabulary.utf8).split(separator: 0x0a).map { Array($0) }, 0...),
      uniquingKeysWith: { $1 }
    )
    normalizer = BertNormalizer(.init(isCased: isCased))
  }

  func encode(_ text: String) -> [Int32] {
    var words: [[UInt8]] = []
    let bytes = Array(text.utf8)
    var memory = BertNormalizer.Memory()
    normalizer.words(bytes.span, 0..<bytes.count, &memory) { word in
      words.append((0..<word.count).map { word[$0] })
      return true
    }
    return [id("[CLS]")] + words.flatMap(pieces) + [id("[SEP]")]
  }

  private func id(_ name: String) -> Int32 { ids[Array(name.utf8)]! }

  private func pieces(_ word: [UInt8]) -> [Int32] {
    var (start, pieces) = (0, [Int32]())
    guard word.count(where: { $0 & 0xc0 != 0x80 }) <= 100 else { return [id("[UNK]")] }
    while start < word.count {
      let prefix = Array((start > 0 ? "##" : "").utf8)
      let end = (start + 1...word.count).last { ids[prefix + word[start..<$0]] != nil }
      guard let end else { return [id("[UNK]")] }
      pieces.append(ids[prefix + word[start..<end]]!)
      start = end
    }
    return pieces
  }
}

/// Text that looks for trouble: scripts side by side, words again and again, long runs, every kind of white space.
struct AwkwardText {
  private static let scalars = Array(
    """
    abcdefghijklmnopqrstuvwxyzETAOIN0123456789 \t\r\n\u{b}'''.,;:!?-_()[]{}<>=+*/\\|&%$#@^~`"  éüßñÅøİıΣσςжЯщ中文字日本語\
    한글عربﷺ٣४²½Ⅷ—“”…，。！\u{301}\u{308}\u{327}\u{302e}\u{16ff0}\u{200d}\u{fe0f}\u{200b}\u{a0}\u{3000}\u{2028}\u{85}😀👍🏽🇩🇪👩\
    \u{0}\u{7f}\u{e000}\u{fffd}ﬁ；
    """.unicodeScalars
  )
  private static let words = [
    "the", " the", "hello", " world", "World", "don't", "WE'LL", "I've", "naïve", "Straße", "привет", "数据",
    "こんにちは",
    "    ", "\n\n", "\r\n", "1234567", "3.14", "foo_bar", "self.x", "->", "!!!", "===", "👨‍👩‍👧", "e\u{301}",
    "한국어", "ing", "er",
  ]
  private var generator: SeededGenerator

  init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

  mutating func next() -> String {
    var text = String.UnicodeScalarView()
    for _ in 0..<Int.random(in: 0...12, using: &generator) {
      switch Int.random(in: 0..<8, using: &generator) {
      case 0...2:
        text.append(contentsOf: Self.words.randomElement(using: &generator)!.unicodeScalars)
      case 3:
        let scalar = Self.scalars.randomElement(using: &generator)!
        text.append(contentsOf: repeatElement(scalar, count: Int.random(in: 1...9, using: &generator)))
      case 4:
        for _ in 0..<Int.random(in: 1...80, using: &generator) {
          text.append(Self.scalars[Int.random(in: 0..<26, using: &generator)])
        }
      default:
        for _ in 0..<Int.random(in: 1...8, using: &generator) {
          text.append(Self.scalars.randomElement(using: &generator)!)
        }
      }
    }
    return String(text)
  }
}
