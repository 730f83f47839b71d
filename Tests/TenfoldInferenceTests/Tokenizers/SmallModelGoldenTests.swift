// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import TenfoldInference

/// The vocabularies and ids of the small models in the tests' resources; see the READMEs beside them.
enum SmallModels {
  struct Vocabulary: Decodable {
    let tokens: [String]
    let kinds: [Int32]
    let merges: [String]?
    let scores: [Float]?
  }

  static let folder = Bundle.module.bundleURL.appendingPathComponent("Resources")

  static func vocabulary(_ model: String) throws -> Vocabulary {
    let data = try Data(contentsOf: folder.appendingPathComponent("\(model)/vocabulary.json"))
    return try JSONDecoder().decode(Vocabulary.self, from: data)
  }

  static func lines<Line: Decodable>(_ file: String, as type: Line.Type) throws -> [Line] {
    try Data(contentsOf: folder.appendingPathComponent(file)).split(separator: 0x0a)
      .map { try JSONDecoder().decode(type, from: Data($0)) }
  }

  static func bytePair(_ pre: String, _ vocabulary: Vocabulary? = nil) throws -> BytePairTokenizer {
    try BytePairTokenizer(metadata: bytePairMetadata(pre, vocabulary ?? Self.vocabulary("small-bpe")))
  }

  static func bytePairMetadata(_ pre: String, _ vocabulary: Vocabulary) throws -> GGUFMetadata {
    var writer = GGUFWriter()
    writer.set("tokenizer.ggml.model", "gpt2")
    writer.set("tokenizer.ggml.pre", pre)
    writer.set("tokenizer.ggml.tokens", vocabulary.tokens)
    writer.set("tokenizer.ggml.token_type", vocabulary.kinds)
    writer.set("tokenizer.ggml.merges", vocabulary.merges ?? [])
    return try SmallVocabulary.metadata(writer)
  }

  static func sentencePiece(addsSpacePrefix: Bool? = nil) throws -> SentencePieceTokenizer {
    let vocabulary = try vocabulary("small-sentencepiece")
    var writer = GGUFWriter()
    writer.set("tokenizer.ggml.model", "llama")
    writer.set("tokenizer.ggml.tokens", vocabulary.tokens)
    writer.set("tokenizer.ggml.token_type", vocabulary.kinds)
    writer.set("tokenizer.ggml.scores", vocabulary.scores ?? [])
    writer.set("tokenizer.ggml.bos_token_id", 1 as UInt32)
    writer.set("tokenizer.ggml.eos_token_id", 2 as UInt32)
    if let addsSpacePrefix { writer.set("tokenizer.ggml.add_space_prefix", addsSpacePrefix) }
    return try SentencePieceTokenizer(metadata: SmallVocabulary.metadata(writer))
  }
}

@Suite("Golden: small byte-level BPE")
struct SmallBytePairGoldenTests {
  @Test(
    "every pre-tokenizer gives the reference's ids, and the text back",
    arguments: ["llama-bpe", "gpt-2", "default", "qwen2", "smollm"]
  )
  func ids(_ pre: String) throws {
    let tokenizer = try SmallModels.bytePair(pre)
    let lines = try SmallModels.lines("small-bpe/ids.jsonl", as: [String: StringOrIDs].self)
    #expect(lines.count > 200)
    for line in lines {
      let text = try #require(line["text"]?.string)
      let ids = tokenizer.encode(text)
      #expect(ids == (line[pre] ?? line["llama-bpe"])?.ids, "\(text.debugDescription)")
      #expect(tokenizer.decode(ids) == text)
      if pre == "llama-bpe", let special = line["special"]?.ids {
        #expect(tokenizer.encode(text, parsingSpecial: true) == special, "\(text.debugDescription)")
      }
    }
  }

  @Test("words that only a lookup finds are in the golden ids")
  func lookups() throws {
    let vocabulary = try SmallModels.vocabulary("small-bpe")
    let reachable = Set((vocabulary.merges ?? []).map { $0.split(separator: " ").joined() })
    let unreachable = vocabulary.tokens.indices.filter {
      vocabulary.kinds[$0] == 1 && $0 >= 256 && !reachable.contains(vocabulary.tokens[$0])
    }
    let used = Set(
      try SmallModels.lines("small-bpe/ids.jsonl", as: [String: StringOrIDs].self)
        .flatMap { $0["llama-bpe"]?.ids ?? [] }
    )
    #expect(unreachable.count { used.contains(Int32($0)) } > 10)
  }
}

/// A value of a golden line.
enum StringOrIDs: Decodable {
  case string(String)
  case ids([Int32])

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let text = try? container.decode(String.self) {
      self = .string(text)
    } else {
      self = .ids(try container.decode([Int32].self))
    }
  }

  var string: String? { if case .string(let text) = self { text } else { nil } }
  var ids: [Int32]? { if case .ids(let ids) = self { ids } else { nil } }
}
