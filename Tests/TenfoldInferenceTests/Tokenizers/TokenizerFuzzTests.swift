// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import Testing

@testable import TenfoldInference

@Suite("Damaged tokenizer tables and chat templates")
struct TokenizerFuzzTests {
  private static let texts = [
    "", "hello hello", "  ▁▁ab é中👍", "\u{0}\n\t<|im_start|><tool></s><0x41>",
    String(repeating: "aé", count: 300),
  ]

  /// Makes a tokenizer of a file and uses it, where the file can be read.
  private func use(_ file: [UInt8], _ note: String) throws {
    let tokenizer: any DecoderTokenizer
    do {
      tokenizer = try withFile(file) { try GGUFFile(path: $0).metadata.makeTokenizer() }
    } catch {
      #expect(error is ModelError, "\(note): \(error)")
      return
    }
    for text in Self.texts {
      for parsesSpecial in [false, true] {
        let ids = tokenizer.encode(text, parsingSpecial: parsesSpecial)
        #expect(ids.allSatisfy { (0..<Int32(tokenizer.vocabularySize)).contains($0) }, "\(note): \(text)")
        _ = tokenizer.decode(ids)
      }
      let (prompt, rest) = (tokenizer.encode(prompt: text), tokenizer.encode(continuation: text))
      #expect((prompt + rest).allSatisfy { $0 >= 0 && $0 < tokenizer.vocabularySize }, "\(note): \(text)")
      if let bounded = tokenizer as? any BoundedTokens {
        let dropped = bounded.droppedBytes
        let kept = text.utf8.count { !dropped.contains($0) }
        #expect(prompt.count * bounded.longestToken >= kept, "\(note): \(text)")
      }
    }
    for id in [-1, 0, Int32(tokenizer.vocabularySize), .max, .min] {
      _ = (tokenizer.bytes(of: id), tokenizer.isControl(id))
    }
  }

  @Test("with bytes changed give a tokenizer that works or a typed error", arguments: 0..<24)
  func bytes(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let files = [
      SmallVocabulary.writer(pre: "gpt-2"), SmallVocabulary.writer(pre: "llama-bpe"),
      SentencePieceTokenizerTests.writer(),
    ].map { $0.encoded() }
    for original in files {
      for round in 0..<4 {
        var file = original
        for _ in 0..<Int.random(in: 1...6, using: &generator) {
          let place = Int.random(in: 0..<file.count, using: &generator)
          file[place] =
            Bool.random(using: &generator) ? .random(in: 0...255, using: &generator) : file[place] ^ 1
        }
        if Int.random(in: 0..<4, using: &generator) == 0 {
          file.removeLast(Int.random(in: 1...file.count / 2, using: &generator))
        }
        try use(file, "seed \(seed), round \(round)")
      }
    }
  }

  @Test("with tables that contradict themselves do the same", arguments: 0..<24)
  func tables(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let spellings =
      SmallVocabulary.alphabet + [
        "", "▁", "▁a", "ab", "<0x41>", "<0xZZ>", "</s>", "<tool>", "he", "llo", "Ġ w", " ",
      ]
    for round in 0..<6 {
      var tokens = Bool.random(using: &generator) ? SmallVocabulary.alphabet : []
      if Bool.random(using: &generator) {
        tokens += (0..<256).map { "<0x" + String($0 + 256, radix: 16).dropFirst().uppercased() + ">" }
      }
      for _ in 0..<Int.random(in: 0...40, using: &generator) {
        tokens.insert(
          spellings.randomElement(using: &generator) ?? "",
          at: Int.random(in: 0...tokens.count, using: &generator)
        )
      }
      var writer = GGUFWriter()
      writer.set("tokenizer.ggml.model", Bool.random(using: &generator) ? "gpt2" : "llama")
      writer.set(
        "tokenizer.ggml.pre",
        ["gpt-2", "qwen2", "llama-bpe", "none"].randomElement(using: &generator) ?? ""
      )
      writer.set("tokenizer.ggml.tokens", tokens)
      let isShort = Int.random(in: 0..<6, using: &generator) == 0
      writer.set(
        "tokenizer.ggml.token_type",
        tokens.dropLast(isShort ? 1 : 0).map { spelling in
          if spelling.hasPrefix("<0x"), Int.random(in: 0..<200, using: &generator) > 0 { return Int32(6) }
          return Int.random(in: 0..<9, using: &generator) == 0
            ? Int32.random(in: -1...7, using: &generator) : 1
        }
      )
      writer.set(
        "tokenizer.ggml.scores",
        tokens.map { _ in [0, -1, 5, .infinity].randomElement(using: &generator) ?? Float.nan }
      )
      writer.set(
        "tokenizer.ggml.merges",
        (0..<Int.random(in: 0...12, using: &generator)).map { _ in
          let parts = (0..<2).map { _ in tokens.randomElement(using: &generator) ?? "x" }
          return parts.joined(separator: Int.random(in: 0..<20, using: &generator) == 0 ? "" : " ")
        }
      )
      writer.set("tokenizer.ggml.bos_token_id", UInt32.random(in: 0...400, using: &generator))
      writer.set("tokenizer.ggml.add_bos_token", Bool.random(using: &generator))
      try use(writer.encoded(), "seed \(seed), round \(round)")
    }
  }

  @Test("give a template that writes a conversation or a typed error", arguments: 0..<40)
  func templates(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let sources = [
      ChatTemplateTests.source, Llama3TemplateTests.plainSource, Llama3TemplateTests.datedSource,
      Llama2TemplateTests.llama2Source, Llama2TemplateTests.zephyrSource,
    ]
    let messages: [ChatMessage] = [.system("S"), .user(" hi "), .assistant("<|im_end|>"), .user("")]
    for source in sources {
      for round in 0..<6 {
        var bytes = Array(source.utf8)
        switch round % 3 {
        case 0:
          for _ in 0..<Int.random(in: 1...5, using: &generator) {
            bytes[Int.random(in: 0..<bytes.count, using: &generator)] =
              Array(#"'"\n{}%|<> ="#.utf8).randomElement(using: &generator) ?? 0
          }
        case 1: bytes.removeLast(Int.random(in: 0...bytes.count, using: &generator))
        default:
          let start = Int.random(in: 0..<bytes.count, using: &generator)
          let end = Int.random(in: start..<bytes.count, using: &generator)
          bytes.insert(contentsOf: bytes[start..<end], at: Int.random(in: 0...bytes.count, using: &generator))
        }
        do throws(ModelError) {
          let template = try ChatTemplate(source: String(decoding: bytes, as: UTF8.self))
          #expect(template.rendered(messages).contains("hi"), "seed \(seed), round \(round)")
          _ = template.rendered([])
        } catch {
          #expect(error.code == .unsupported, "seed \(seed), round \(round)")
        }
      }
    }
  }
}
