// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldCore
import Testing

@testable import TenfoldInference

@Suite("Tokenizers give the ids of plain ones on random text")
struct PlainTokenizerTests {
  private static let seeds: [UInt64] = [1, 2, 3, 4]

  private func compare(
    _ tokenizer: some Tokenizer,
    seed: UInt64,
    _ plain: (String) throws -> [Int32]
  ) rethrows {
    var texts = AwkwardText(seed: seed)
    for number in 0..<150 {
      let text = texts.next()
      let ids = try plain(text)
      // Twice, so that the second time words come from the cache.
      for _ in 0..<2 {
        #expect(
          tokenizer.encode(text) == ids,
          "seed \(seed), text \(number): \(text.unicodeScalars.map { String($0.value, radix: 16) })"
        )
      }
    }
  }

  @Test("byte-level BPE", arguments: ["gpt-2", "smollm", "qwen2", "llama-bpe", "default"], seeds)
  func bytePair(_ pre: String, _ seed: UInt64) throws {
    let plain = try PlainBytePair(pre, SmallModels.vocabulary("small-bpe"))
    try compare(SmallModels.bytePair(pre), seed: seed, plain.encode)
  }

  @Test("SentencePiece BPE", arguments: seeds)
  func sentencePiece(_ seed: UInt64) throws {
    let plain = PlainSentencePiece(try SmallModels.vocabulary("small-sentencepiece"))
    try compare(SmallModels.sentencePiece(), seed: seed, plain.encode)
  }

  @Test("WordPiece", arguments: [false, true], seeds)
  func wordPiece(_ isCased: Bool, _ seed: UInt64) throws {
    let vocabulary = try String(
      contentsOf: SmallModels.folder.appendingPathComponent("small-bert/vocab.txt"),
      encoding: .utf8
    )
    let plain = PlainWordPiece(vocabulary: vocabulary, isCased: isCased)
    let tokenizer = try WordPieceTokenizer(
      vocabulary: Array(vocabulary.utf8),
      options: .init(isCased: isCased)
    )
    compare(tokenizer, seed: seed, plain.encode)
  }
}
