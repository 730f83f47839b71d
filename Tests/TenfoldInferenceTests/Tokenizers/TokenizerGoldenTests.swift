// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0
// The names are those of the golden files.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import TenfoldCore
import TenfoldInference
import Testing

struct TokenLine: Decodable {
  let text: String
  let ids: [Int32]
  let ids_special: [Int32]?
}

struct ChatLine: Decodable {
  struct Message: Decodable {
    let role: String
    let content: String
  }
  let messages: [Message]
  let add_generation_prompt: Bool
  let rendered: String
  let ids: [Int32]
}

@Suite("Golden: tokenizers give the reference's ids")
struct TokenizerGoldenTests {
  private func check(_ tokenizer: some Tokenizer, _ file: String, special: Bool = false) throws {
    let lines = try GoldenData.lines(file, as: TokenLine.self)
    #expect(!lines.isEmpty)
    for line in lines {
      #expect(
        tokenizer.encode(line.text, parsingSpecial: special) == line.ids,
        "\(line.text.debugDescription)"
      )
      if let ids = line.ids_special {
        #expect(tokenizer.encode(line.text, parsingSpecial: true) == ids, "\(line.text.debugDescription)")
      }
    }
  }

  @Test("WordPiece of MiniLM", .enabled(if: ModelFiles.canTest(ModelFiles.miniLMVocabulary)))
  func wordPiece() throws {
    let tokenizer = try WordPieceTokenizer(path: ModelFiles.path(ModelFiles.miniLMVocabulary))
    try check(tokenizer, "wordpiece.jsonl", special: true)
  }

  @Test("BPE of SmolLM2", .enabled(if: ModelFiles.canTest(ModelFiles.smollm2)))
  func smollm2() throws {
    let file = try GGUFFile(path: ModelFiles.path(ModelFiles.smollm2))
    try check(BytePairTokenizer(metadata: file.metadata), "smollm2_bpe.jsonl")
  }

  @Test("BPE of Qwen 2.5", .enabled(if: ModelFiles.canTest(ModelFiles.qwen)))
  func qwen() throws {
    let file = try GGUFFile(path: ModelFiles.path(ModelFiles.qwen))
    try check(BytePairTokenizer(metadata: file.metadata), "qwen_bpe.jsonl")
  }

  @Test("chats of SmolLM2, as text and as ids", .enabled(if: ModelFiles.canTest(ModelFiles.smollm2)))
  func chat() throws {
    let file = try GGUFFile(path: ModelFiles.path(ModelFiles.smollm2))
    let tokenizer = try BytePairTokenizer(metadata: file.metadata)
    let template = try ChatTemplate(metadata: file.metadata)
    for line in try GoldenData.lines("smollm2_chat.jsonl", as: ChatLine.self) {
      let messages = line.messages.map { ChatMessage(role: ChatRole($0.role), content: $0.content) }
      #expect(template.rendered(messages, addGenerationPrompt: line.add_generation_prompt) == line.rendered)
      let ids = try template.tokens(
        messages,
        addGenerationPrompt: line.add_generation_prompt,
        tokenizer: tokenizer
      )
      #expect(ids == line.ids)
    }
  }

  @Test("Qwen's own system turn", .enabled(if: ModelFiles.canTest(ModelFiles.qwen)))
  func qwenChat() throws {
    struct Line: Decodable {
      let prompt: String
      let text_prompt: String
      let prompt_ids: [Int32]
    }
    let file = try GGUFFile(path: ModelFiles.path(ModelFiles.qwen))
    let tokenizer = try BytePairTokenizer(metadata: file.metadata)
    let template = try ChatTemplate(metadata: file.metadata)
    for line in try GoldenData.lines("qwen05_greedy.jsonl", as: Line.self) {
      #expect(template.rendered([.user(line.prompt)]) == line.text_prompt)
      #expect(try template.tokens([.user(line.prompt)], tokenizer: tokenizer) == line.prompt_ids)
    }
  }
}
