// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldCore
import Testing

@testable import TenfoldInference

@Suite("Tokenizers take any text")
struct AnyTextTests {
  @Test(
    "one word of 60,000 bytes is taken by every kind, and given back",
    arguments: ["a", "é", "中", "\u{301}", "👍", "\u{0}", "1", "-", "a中"]
  )
  func longWord(_ characters: String) throws {
    let text = String(repeating: characters, count: 60_000 / characters.utf8.count)
    for pre in ["gpt-2", "smollm", "qwen2", "llama-bpe", "default"] {
      let tokenizer = try SmallModels.bytePair(pre)
      #expect(tokenizer.decode(tokenizer.encode(text)) == text)
    }
    let tokenizer = try SmallModels.sentencePiece()
    #expect(tokenizer.decode(tokenizer.encode(text)) == text)
    let wordPiece = try WordPieceTokenizer(
      path: SmallModels.folder.appendingPathComponent("small-bert/vocab.txt").path
    )
    #expect(wordPiece.encode(text).allSatisfy { $0 < wordPiece.vocabularySize })
  }

  @Test("no text has fewer tokens than its bytes and the longest token say", arguments: 0..<20)
  func longestToken(_ seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let parts = [
      "hello", "aaaa", "▁", "▁▁", " ", "  ", "ab", "é", "<tool>", "中", "\u{0}", "<|im_end|>", "hell",
    ]
    var text = ""
    for _ in 0..<Int.random(in: 1...200, using: &generator) {
      text += String(
        repeating: parts.randomElement(using: &generator) ?? "",
        count: Int.random(in: 1...8, using: &generator)
      )
    }
    let spaces = [("▁", -1), ("▁▁", -7), ("▁▁▁▁", -2), ("ab", -5)] as [(String, Float)]
    let pieces = try SentencePieceTokenizer(
      metadata: SmallVocabulary.metadata(SentencePieceTokenizerTests.writer(spaces))
    )
    #expect(pieces.longestToken == 3 * 5)
    for tokenizer in [
      try SmallVocabulary.tokenizer(), try SmallVocabulary.tokenizer(pre: "llama-bpe"),
      try SmallModels.bytePair("qwen2"), pieces, try SmallModels.sentencePiece(),
    ] as [any DecoderTokenizer & BoundedTokens] {
      let longest = tokenizer.longestToken
      #expect(tokenizer.droppedBytes.isEmpty)
      for part in [text] + parts.map({ String(repeating: $0, count: 50) }) {
        let count = tokenizer.encode(prompt: part).count
        #expect(count * longest >= part.utf8.count, "seed \(seed): \(part)")
      }
    }
  }

  @Test("a vocabulary knows which bytes it drops")
  func droppedBytes() throws {
    let tokens = Array(SmallVocabulary.alphabet.dropFirst(0x41))
    var writer = GGUFWriter()
    writer.set("tokenizer.ggml.model", "gpt2")
    writer.set("tokenizer.ggml.pre", "gpt-2")
    writer.set("tokenizer.ggml.tokens", tokens)
    writer.set("tokenizer.ggml.merges", [] as [String])
    let tokenizer = try BytePairTokenizer(metadata: SmallVocabulary.metadata(writer))
    #expect(tokenizer.longestToken == 1)
    let dropped = SmallVocabulary.alphabet.prefix(0x41).reduce(into: Set<UInt8>()) { dropped, character in
      guard let scalar = character.unicodeScalars.first.map({ Int($0.value) }) else { return }
      dropped.insert(UInt8(truncatingIfNeeded: ByteLevelAlphabet.bytes[scalar]))
    }
    #expect(tokenizer.droppedBytes == dropped && dropped.count == 0x41)
    for byte in UInt8(0x20)..<0x7F {
      let ids = tokenizer.encode(String(UnicodeScalar(byte)))
      #expect(ids.isEmpty == dropped.contains(byte), "\(byte)")
    }
  }

  @Test("any bytes are taken by every kind", arguments: [1, 2, 3] as [UInt64])
  func anyBytes(_ seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let bytes = (0..<20_000).map { _ in UInt8.random(in: 0...255, using: &generator) }
    let repaired = String(decoding: bytes, as: UTF8.self)
    for pre in ["gpt-2", "smollm", "qwen2", "llama-bpe", "default"] {
      let tokenizer = try SmallModels.bytePair(pre)
      let ids = tokenizer.encode(utf8: bytes, parsingSpecial: true)
      #expect(tokenizer.decode(ids) == repaired, "seed \(seed), \(pre)")
    }
    let tokenizer = try SmallModels.sentencePiece()
    #expect(tokenizer.decode(tokenizer.encode(utf8: bytes, parsingSpecial: true)) == repaired, "seed \(seed)")
    for isCased in [false, true] {
      let wordPiece = try WordPieceTokenizer(
        path: SmallModels.folder.appendingPathComponent("small-bert/vocab.txt").path,
        options: .init(isCased: isCased)
      )
      let ids = wordPiece.encode(utf8: bytes, parsingSpecial: true)
      #expect(ids.allSatisfy { $0 < wordPiece.vocabularySize }, "seed \(seed)")
    }
  }
}
