// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldCore
import Testing

@testable import TenfoldInference

@Suite("An encoder's folder")
struct EncoderFolderTests {
  struct VectorLine: Decodable {
    let text: String
    let ids: [Int32]
    let cls: [Float]
    let mean: [Float]
  }

  private static let path = SmallModels.folder.appendingPathComponent("small-bert").path

  private func vectors() throws -> [VectorLine] {
    try SmallModels.lines("small-bert/vectors.jsonl", as: VectorLine.self)
  }

  /// A folder with some of the small model's files, others instead of them, or without.
  private func withFolder<R>(
    _ changes: [String: String?] = [:],
    _ body: (String) async throws -> R
  ) async throws -> R {
    let manager = FileManager.default
    let folder = manager.temporaryDirectory.appendingPathComponent("tenfold-encoder-\(UUID().uuidString)")
    try manager.copyItem(atPath: Self.path, toPath: folder.path)
    defer { try? manager.removeItem(at: folder) }
    // Models are not kept among the sources under their own name.
    try manager.moveItem(
      at: folder.appendingPathComponent("model.bin"),
      to: folder.appendingPathComponent("model.safetensors")
    )
    for (name, contents) in changes {
      let file = folder.appendingPathComponent(name)
      try? manager.removeItem(at: file)
      if let contents { try Data(contents.utf8).write(to: file) }
    }
    return try await body(folder.path)
  }

  /// The small model; its folder is not needed once it is loaded.
  private func load(options: MiniLMEmbedder.Options) async throws -> MiniLMEmbedder {
    try await withFolder { try await MiniLMEmbedder.load(modelDirectory: $0, options: options) }
  }

  private func cosine(_ a: some Sequence<Float>, _ b: [Float]) -> Float {
    zip(a, b).reduce(0) { $0 + $1.0 * $1.1 }
  }

  @Test("a cased model with the first token's state gives the reference's vectors, as its folder says")
  func detected() async throws {
    let embedder = try await load(
      options: .init(encoder: .init(precision: .float32), threads: 1)
    )
    #expect(embedder.profile.maxTokens == 48)
    #expect(embedder.profile.revision.hasSuffix("-float32-cls-cased"))
    for line in try vectors() {
      let batch = try await embedder.embed([line.text])
      #expect(batch.tokenCounts == [line.ids.count])
      #expect(zip(batch.values, line.cls).allSatisfy { abs($0 - $1) < 2e-4 }, "\(line.text.debugDescription)")
      #expect(embedder.tokenCount(of: line.text[...]) >= line.ids.count - 2)
    }
    let long = try vectors().filter { $0.ids.count == 48 }.count
    #expect(long > 0 && embedder.statistics.truncatedTexts <= long)
    #expect(embedder.statistics.truncatedTexts > 0)
    await embedder.shutdown()
  }

  @Test("what is asked for wins over what the folder says")
  func explicit() async throws {
    let embedder = try await load(
      options: .init(
        encoder: .init(precision: .float32, pooling: .mean),
        tokenizer: .init(isCased: true),
        maxTokens: 64,
        threads: 1
      )
    )
    #expect(embedder.profile.maxTokens == 64)
    #expect(embedder.profile.revision.hasSuffix("-float32-cased"))
    for line in try vectors() where line.ids.count < 48 {
      let batch = try await embedder.embed([line.text])
      #expect(
        zip(batch.values, line.mean).allSatisfy { abs($0 - $1) < 2e-4 },
        "\(line.text.debugDescription)"
      )
    }
    await embedder.shutdown()
  }

  @Test("int8 vectors stay near the reference's", arguments: [EncoderPooling.cls, .mean])
  func quantized(pooling: EncoderPooling) async throws {
    let embedder = try await load(
      options: .init(encoder: .init(pooling: pooling), threads: 1)
    )
    for line in try vectors() {
      let batch = try await embedder.embed([line.text])
      #expect(
        cosine(batch.values, pooling == .cls ? line.cls : line.mean) > 0.99,
        "\(line.text.debugDescription)"
      )
    }
    await embedder.shutdown()
  }

  @Test("a folder without these files is read as MiniLM's, which this is not")
  func bare() async throws {
    let names = [
      "config.json", "modules.json", "tokenizer_config.json", "sentence_bert_config.json",
      "1_Pooling/config.json",
    ]
    try await withFolder(Dictionary(uniqueKeysWithValues: names.map { ($0, nil) })) { path in
      let error = await #expect(throws: ModelError.self) {
        try await MiniLMEmbedder.load(modelDirectory: path)
      }
      // 32 elements are not twelve heads.
      #expect(error?.code == .invalidOption)
      let embedder = try await MiniLMEmbedder.load(
        modelDirectory: path,
        options: .init(encoder: .init(headCount: 4), threads: 1)
      )
      #expect(embedder.profile.maxTokens == 64)
      #expect(embedder.profile.revision.hasSuffix("-int8"))
      await embedder.shutdown()
    }
  }

  @Test(
    "what can't be computed is refused by name",
    arguments: [
      ("config.json", "{\"model_type\": \"xlm-roberta\"}", "xlm-roberta"),
      ("config.json", "{\"hidden_act\": \"relu\"}", "relu"),
      ("config.json", "{\"position_embedding_type\": \"relative_key\"}", "relative_key"),
      ("modules.json", "[{\"type\": \"sentence_transformers.models.Dense\"}]", "Dense"),
      ("1_Pooling/config.json", "{\"pooling_mode_max_tokens\": true}", "max"),
      (
        "1_Pooling/config.json", "{\"pooling_mode_max_tokens\": true, \"pooling_mode_cls_token\": true}",
        "cls and max"
      ),
      ("1_Pooling/config.json", "{\"pooling_mode\": \"lasttoken\"}", "lasttoken"),
      ("1_Pooling/config.json", "{}", "pooling"),
      ("tokenizer_config.json", "{\"tokenizer_class\": \"XLMRobertaTokenizer\"}", "XLMRobertaTokenizer"),
      ("tokenizer_config.json", "{\"do_lower_case\": true, \"strip_accents\": false}", "strip_accents"),
      ("tokenizer_config.json", "{\"do_basic_tokenize\": false}", "do_basic_tokenize"),
      ("sentence_bert_config.json", "{\"do_lower_case\": true}", "do_lower_case"),
    ]
  )
  func unsupported(file: String, contents: String, word: String) async throws {
    try await withFolder([file: contents]) { path in
      let error = #expect(throws: ModelError.self) { try EncoderFolder(path: path) }
      #expect(error?.code == .unsupported)
      #expect(error?.message.contains(word) == true && error?.message.contains(file) == true)
    }
  }

  @Test(
    "files that are not what they should be are refused by name",
    arguments: [
      "config.json", "modules.json", "1_Pooling/config.json", "tokenizer_config.json",
      "sentence_bert_config.json",
    ],
    [
      "", "{", "[]x", "\"text\"", "{\"num_attention_heads\": \"four\", \"type\": 1}",
      String(repeating: "[", count: 4_000),
    ]
  )
  func damaged(file: String, contents: String) async throws {
    try await withFolder([file: contents]) { path in
      guard !contents.hasPrefix("{\"num") || file == "config.json" else { return }
      let error = #expect(throws: ModelError.self) { try EncoderFolder(path: path) }
      #expect(error?.message.contains(file) == true)
    }
  }

  @Test("numbers that are out of range are refused when they are used")
  func ranges() async throws {
    for (file, contents) in [
      ("config.json", "{\"num_attention_heads\": -1}"),
      ("config.json", "{\"num_attention_heads\": 4, \"layer_norm_eps\": 2}"),
      ("sentence_bert_config.json", "{\"max_seq_length\": 1}"),
      ("sentence_bert_config.json", "{\"max_seq_length\": 65}"),
    ] {
      try await withFolder([file: contents]) { path in
        let error = await #expect(throws: ModelError.self) {
          try await MiniLMEmbedder.load(modelDirectory: path)
        }
        #expect(error?.code == .invalidOption, "\(contents)")
      }
    }
  }

  @Test("tensors may be named as in a model with a head")
  func prefixed() throws {
    var weights = SyntheticEncoder(seed: 4)
    let plain = try BERTEncoder(weights: weights, options: .init(precision: .float32, headCount: 3))
    weights.tensors = Dictionary(uniqueKeysWithValues: weights.tensors.map { ("bert." + $0, $1) })
    let prefixed = try BERTEncoder(
      weights: BERTTensor.Prefixed(weights),
      options: .init(precision: .float32, headCount: 3)
    )
    #expect(try plain.embed([[1, 2, 3]]) == prefixed.embed([[1, 2, 3]]))
  }
}

@Suite("Golden: WordPiece with and without case")
struct WordPieceOptionsGoldenTests {
  struct Line: Decodable {
    let text: String
    let cased: [Int32]
    let uncased: [Int32]?
    let joined: [Int32]?
  }

  @Test("gives the reference's ids")
  func ids() throws {
    let path = SmallModels.folder.appendingPathComponent("small-bert/vocab.txt").path
    let cased = try WordPieceTokenizer(path: path, options: .init(isCased: true))
    let uncased = try WordPieceTokenizer(path: path)
    let joined = try WordPieceTokenizer(path: path, options: .init(isCased: true, splitsIdeographs: false))
    let lines = try SmallModels.lines("small-bert/ids.jsonl", as: Line.self)
    #expect(lines.count > 300)
    for line in lines {
      let text = line.text.debugDescription
      #expect(cased.encode(line.text, parsingSpecial: true) == line.cased, "\(text)")
      #expect(uncased.encode(line.text, parsingSpecial: true) == line.uncased ?? line.cased, "\(text)")
      #expect(joined.encode(line.text, parsingSpecial: true) == line.joined ?? line.cased, "\(text)")
    }
  }
}
