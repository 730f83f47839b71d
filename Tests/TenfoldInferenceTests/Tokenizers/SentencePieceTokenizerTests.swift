// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldCore
import Testing

@testable import TenfoldInference

@Suite("SentencePiece BPE")
struct SentencePieceTokenizerTests {
  struct Line: Decodable {
    let text: String
    let ids: [Int32]
    let special: [Int32]?
    let bare: [Int32]
  }

  /// A vocabulary of bytes and a few pieces: ids 259 on.
  static func writer(
    _ pieces: [(String, Float)] = [
      ("▁", -1), ("a", -2), ("b", -3), ("▁a", -4), ("ab", -5), ("▁ab", -6), ("▁▁", -7), ("é", -8),
    ],
    bytes: Int = 256
  ) -> GGUFWriter {
    var tokens = ["<unk>", "<s>", "</s>"]
    var kinds: [Int32] = [2, 3, 3]
    for byte in 0..<bytes {
      tokens.append(String(format: "<0x%02X>", byte))
      kinds.append(6)
    }
    tokens += pieces.map(\.0)
    kinds += pieces.map { _ in 1 }
    var writer = GGUFWriter()
    writer.set("tokenizer.ggml.model", "llama")
    writer.set("tokenizer.ggml.tokens", tokens)
    writer.set("tokenizer.ggml.token_type", kinds)
    writer.set("tokenizer.ggml.scores", [Float](repeating: 0, count: bytes + 3) + pieces.map(\.1))
    writer.set("tokenizer.ggml.bos_token_id", 1 as UInt32)
    writer.set("tokenizer.ggml.eos_token_id", 2 as UInt32)
    return writer
  }

  private func tokenizer(_ writer: GGUFWriter = writer()) throws -> SentencePieceTokenizer {
    try SentencePieceTokenizer(metadata: SmallVocabulary.metadata(writer))
  }

  @Test("merges the best score first, spells what it lacks in bytes and puts a space before a text")
  func merging() throws {
    let tokenizer = try tokenizer()
    // "▁a" has a better score than "ab".
    #expect(tokenizer.encode("ab") == [264])
    #expect(tokenizer.encode("bab") == [259, 261, 263])
    #expect(tokenizer.encode("aab") == [262, 263])
    #expect(tokenizer.encode("é") == [259, 266])
    #expect(tokenizer.encode("ü") == [259, 3 + 0xc3, 3 + 0xbc])
    #expect(tokenizer.encode("") == [])
    #expect(tokenizer.encode("\n") == [259, 3 + 0x0a])
    #expect(tokenizer.encode(continuation: "ab") == [263])
    #expect(tokenizer.encode(prompt: "ab") == [1, 264])
  }

  @Test("gives the reference's ids, and the text back", arguments: [true, false])
  func golden(prefix: Bool) throws {
    let tokenizer = try SmallModels.sentencePiece(addsSpacePrefix: prefix ? nil : false)
    let lines = try SmallModels.lines("small-sentencepiece/ids.jsonl", as: Line.self)
    #expect(lines.count > 200)
    for line in lines {
      let ids = tokenizer.encode(line.text)
      #expect(ids == (prefix ? line.ids : line.bare), "\(line.text.debugDescription)")
      if prefix, let special = line.special {
        #expect(tokenizer.encode(line.text, parsingSpecial: true) == special, "\(line.text.debugDescription)")
      }
      let continuation = tokenizer.encode(continuation: line.text)
      let bytes = continuation.flatMap { tokenizer.bytes(of: $0) }
      #expect(String(decoding: bytes, as: UTF8.self) == line.text.replacing("\u{2581}", with: " "))
      if !prefix { #expect(ids == continuation) }
    }
  }

  @Test("gives back random text", arguments: [1, 2, 3] as [UInt64])
  func randomRoundTrip(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let tokenizer = try SmallModels.sentencePiece()
    for _ in 0..<300 {
      var text = String.UnicodeScalarView()
      for _ in 0..<20 {
        let limit = ([0x80, 0x80, 0x800, 0x1_0000, 0x11_0000] as [UInt32]).randomElement(using: &generator)!
        if let scalar = Unicode.Scalar(UInt32.random(in: 0..<limit, using: &generator)), scalar != "\u{2581}"
        {
          text.append(scalar)
        }
      }
      let string = String(text)
      #expect(tokenizer.decode(tokenizer.encode(string)) == string, "seed \(seed)")
      let bytes = tokenizer.encode(continuation: string).flatMap { tokenizer.bytes(of: $0) }
      #expect(bytes == Array(string.utf8), "seed \(seed)")
    }
  }

  @Test("cutting text into words changes no ids", arguments: [1, 2, 3] as [UInt64])
  func words(seed: UInt64) throws {
    // A piece that reaches across a space forbids a cut there.
    var generator = SeededGenerator(seed: seed)
    let letters = ["▁", "a", "b", "c"]
    var pieces = letters.enumerated().map { ($1, -Float($0)) }
    for _ in 0..<40 {
      let length = Int.random(in: 2...4, using: &generator)
      let piece = (0..<length).map { _ in letters.randomElement(using: &generator)! }.joined()
      let score = -Float(Int.random(in: 0..<20, using: &generator))
      if !pieces.contains(where: { $0.0 == piece }) { pieces.append((piece, score)) }
    }
    let tokenizer = try tokenizer(Self.writer(pieces))
    let scores = Dictionary(uniqueKeysWithValues: pieces)
    let ids = Dictionary(uniqueKeysWithValues: pieces.enumerated().map { ($1.0, Int32(259 + $0)) })
    for _ in 0..<200 {
      let count = Int.random(in: 1...70, using: &generator)
      let text = (0..<count).map { _ in letters.randomElement(using: &generator)! }.joined()
      // The definition: the best pair of neighbours, the leftmost of equals, until there is none.
      var symbols = text.map { String($0) }
      while true {
        let best = symbols.indices.dropLast().filter { scores[symbols[$0] + symbols[$0 + 1]] != nil }
          .max {
            (scores[symbols[$0] + symbols[$0 + 1]]!, -$0) < (scores[symbols[$1] + symbols[$1 + 1]]!, -$1)
          }
        guard let best else { break }
        symbols[best] += symbols.remove(at: best + 1)
      }
      #expect(
        tokenizer.encode(continuation: text.replacing("▁", with: " ")) == symbols.map { ids[$0]! },
        "seed \(seed): \(text)"
      )
    }
  }

  @Test("keeps what a user types text, also where pieces lead to a control token or a byte")
  func control() throws {
    var pieces: [(String, Float)] = [("▁", -1)]
    for word in ["</s>", "<0x41>", "<s>"] {
      for end in 1..<word.count {
        let piece = String(word.prefix(end))
        if !pieces.contains(where: { $0.0 == piece }) { pieces.append((piece, -2)) }
      }
      for letter in word where !pieces.contains(where: { $0.0 == String(letter) }) {
        pieces.append((String(letter), -3))
      }
    }
    let tokenizer = try tokenizer(Self.writer(pieces))
    for text in ["</s>", "<s>", "<0x41>", "a</s><s>b"] {
      let ids = tokenizer.encode(text)
      #expect(!ids.contains(1) && !ids.contains(2) && !ids.contains(3 + 0x41))
      #expect(tokenizer.decode(ids) == text)
    }
    #expect(tokenizer.encode("</s>", parsingSpecial: true) == [2])
    #expect(tokenizer.decode([1, 2, 0]) == "")
  }

  @Test("takes a lot of one character", arguments: ["a", " ", "\u{301}", "👨‍👩‍👧", "日", "\n", "\u{2581}"])
  func oneCharacter(_ character: String) throws {
    let text = String(repeating: character, count: 3_000)
    let tokenizer = try SmallModels.sentencePiece()
    #expect(tokenizer.decode(tokenizer.encode(text)) == text.replacing("\u{2581}", with: " "))
  }

  @Test("streams only whole scalars")
  func streaming() throws {
    let tokenizer = try tokenizer()
    var stream = TokenTextDecoder(tokenizer: tokenizer)
    #expect(tokenizer.encode(continuation: "😀a").map { stream.append($0) } == ["", "", "", "😀", "a"])
  }

  @Test("refuses inconsistent vocabularies")
  func faults() throws {
    func failure(_ writer: GGUFWriter) -> ModelError.Code? { code { _ = try tokenizer(writer) } }
    #expect(failure(Self.writer(bytes: 255)) == .invalidTokenizer)
    #expect(failure(Self.writer([("a", .nan)])) == .invalidTokenizer)
    #expect(failure(Self.writer([(String(repeating: "a", count: 257), 0)])) == .invalidTokenizer)
    #expect(failure(Self.writer([("", 0), ("x", .infinity), ("xx", -.infinity)])) == nil)
    var writer = GGUFWriter()
    writer.set("tokenizer.ggml.model", "llama")
    #expect(failure(writer) == .missing)
    writer.set("tokenizer.ggml.tokens", ["a", "b"])
    #expect(failure(writer) == .missing)
    var short = writer
    short.set("tokenizer.ggml.scores", [0] as [Float])
    #expect(failure(short) == .invalidTokenizer)
    var misspelled = writer
    misspelled.set("tokenizer.ggml.scores", [0, 0] as [Float])
    misspelled.set("tokenizer.ggml.token_type", [1, 6] as [Int32])
    #expect(failure(misspelled) == .invalidTokenizer)
    var other = GGUFWriter()
    other.set("tokenizer.ggml.model", "bert")
    #expect(code { _ = try SmallVocabulary.metadata(other).makeTokenizer() } == .unsupported)
  }

  @Test("a file's metadata makes the tokenizer it names")
  func factory() throws {
    #expect(try SmallVocabulary.metadata(Self.writer()).makeTokenizer() is SentencePieceTokenizer)
    #expect(
      try SmallVocabulary.metadata(SmallVocabulary.writer(pre: "qwen2")).makeTokenizer() is BytePairTokenizer
    )
  }
}
