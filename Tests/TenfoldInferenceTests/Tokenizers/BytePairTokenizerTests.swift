// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import TenfoldInference

@Suite("Byte-level BPE")
struct BytePairTokenizerTests {
  @Test("merges by rank, leftmost first")
  func merging() throws {
    let tokenizer = try SmallVocabulary.tokenizer()
    #expect(tokenizer.encode("hello w") == [259, 260])
    #expect(tokenizer.encode("aaaaa") == [262, 97])
    #expect(tokenizer.encode("") == [])
  }

  @Test("takes long words the same way as short ones", arguments: [2, 3, 4, 7, 15, 16, 47, 48, 49, 50, 101])
  func longWords(_ count: Int) throws {
    let tokenizer = try SmallVocabulary.tokenizer()
    let expected =
      [Int32](repeating: 262, count: count / 4) + (count % 4 >= 2 ? [261] : []) + (count % 2 == 1 ? [97] : [])
    #expect(tokenizer.encode(String(repeating: "a", count: count)) == expected)
  }

  @Test("keeps control tokens that a user types as text")
  func control() throws {
    let tokenizer = try SmallVocabulary.tokenizer()
    let plain = tokenizer.encode("<|im_start|>a<tool>")
    #expect(plain.count == 12 + 1 + 1)
    #expect(!plain.contains(263))
    #expect(tokenizer.encode("<|im_start|>a<tool>", parsingSpecial: true) == [263, 97, 265])
    #expect(tokenizer.decode([263, 97, 264]) == "a")
  }

  @Test(
    "gives back what went in",
    arguments: [
      "", "hello", "\u{0}", "👨‍👩‍👧 1234 don't", "é e\u{301}\r\n\n  x", "a\u{4}\u{7f}\u{80}", " \u{3000} \u{fffd}",
    ]
  )
  func roundTrip(_ text: String) throws {
    for style in ["smollm", "qwen2", "llama-bpe", "gpt-2", "default"] {
      let tokenizer = try SmallVocabulary.tokenizer(pre: style)
      #expect(tokenizer.decode(tokenizer.encode(text)) == text)
    }
  }

  @Test(
    "gives back random text",
    arguments: [(1, "smollm"), (2, "qwen2"), (3, "llama-bpe"), (4, "gpt-2"), (5, "default")]
  )
  func randomRoundTrip(seed: UInt64, style: String) throws {
    var generator = SeededGenerator(seed: seed)
    let tokenizer = try SmallVocabulary.tokenizer(pre: style)
    for _ in 0..<200 {
      var text = String.UnicodeScalarView()
      for _ in 0..<20 {
        if let scalar = Unicode.Scalar(
          UInt32.random(
            in: 0..<[0x80, 0x800, 0x1_0000, 0x11_0000].randomElement(using: &generator)!,
            using: &generator
          )
        ) {
          text.append(scalar)
        }
      }
      #expect(tokenizer.decode(tokenizer.encode(String(text))) == String(text), "seed \(seed)")
      var stream = TokenTextDecoder(tokenizer: tokenizer)
      var streamed = ""
      for id in tokenizer.encode(String(text)) { streamed += stream.append(id) }
      #expect(streamed + stream.finish() == String(text), "seed \(seed)")
    }
  }

  @Test("repairs invalid UTF-8")
  func repair() throws {
    let tokenizer = try SmallVocabulary.tokenizer()
    #expect(
      tokenizer.decode(tokenizer.encode(utf8: [0x61, 0xff, 0x62], parsingSpecial: false)) == "a\u{fffd}b"
    )
    #expect(tokenizer.decode(tokenizer.encode(utf8: [0xf0, 0x9f], parsingSpecial: false)) == "\u{fffd}")
  }

  @Test("streams only whole scalars")
  func streaming() throws {
    let tokenizer = try SmallVocabulary.tokenizer()
    var stream = TokenTextDecoder(tokenizer: tokenizer)
    #expect(tokenizer.encode("😀").map { stream.append($0) } == ["", "", "", "😀"])
    #expect(stream.append(0xe2) == "")
    #expect(stream.append(0x61) == "\u{fffd}a")
    #expect(stream.append(0xf0) == "")
    #expect(stream.finish() == "\u{fffd}")
    #expect(stream.append(9_999) == "")
    #expect(stream.append(-1) == "")
  }

  @Test("takes a lot of one character", arguments: ["a", "\u{301}", "👨‍👩‍👧", "\u{0}", " ", "<", "\n"])
  func oneCharacter(_ character: String) throws {
    let tokenizer = try SmallVocabulary.tokenizer(pre: "qwen2")
    let text = String(repeating: character, count: 2_000)
    #expect(tokenizer.decode(tokenizer.encode(text)) == text)
  }

  @Test("with Llama 3 takes a word that is a token as it is, and merges it elsewhere")
  func wholeWords() throws {
    // No merge leads to these.
    let words = ["Ġworld", "123", "1234"]
    func ids(_ pre: String, _ text: String) throws -> [Int32] {
      let metadata = try SmallVocabulary.metadata(SmallVocabulary.writer(pre: pre, words: words))
      return try BytePairTokenizer(metadata: metadata).encode(text)
    }
    for pre in ["llama-bpe", "llama3", "llama-v3"] {
      #expect(try ids(pre, "hello world") == [259, 263])
      // Digits go in threes, so that four of them are no word.
      #expect(try ids(pre, "1234") == [264, 52])
      // Part of a longer word.
      #expect(try ids(pre, " worlds").first == 260)
    }
    #expect(try ids("qwen2", "hello world").count == 6)
  }

  @Test("begins a prompt as the file says, and a Llama 3 prompt where it says nothing")
  func beginning() throws {
    func ids(_ pre: String, _ adds: Bool?, names: Bool = true) throws -> [Int32] {
      var writer = SmallVocabulary.writer(pre: pre)
      if names { writer.set("tokenizer.ggml.bos_token_id", 263 as UInt32) }
      if let adds { writer.set("tokenizer.ggml.add_bos_token", adds) }
      return try BytePairTokenizer(metadata: SmallVocabulary.metadata(writer)).encode(prompt: "hello")
    }
    #expect(try ids("llama-bpe", nil) == [263, 259])
    #expect(try ids("llama-bpe", false) == [259])
    #expect(try ids("llama-bpe", nil, names: false) == [259])
    #expect(try ids("qwen2", nil) == [259])
    #expect(try ids("qwen2", true) == [263, 259])
  }

  @Test("never makes a control token of a text's whole word")
  func controlWord() throws {
    let writer = SmallVocabulary.writer(pre: "llama-bpe", controls: ["user", "<|im_end|>"])
    let tokenizer = try BytePairTokenizer(metadata: SmallVocabulary.metadata(writer))
    #expect(!tokenizer.encode("user").contains(263))
    #expect(tokenizer.encode("user", parsingSpecial: true) == [263])
  }

  @Test(
    "makes control tokens of those that the file names as ends, whatever kind it gives them",
    arguments: [1, 4] as [Int32]
  )
  func namedEnds(kind: Int32) throws {
    // Spelled like no mark that is known.
    let controls = ["<begin>", "<stop>", "<turn>"]
    var writer = SmallVocabulary.writer(pre: "smollm", controls: controls, controlKind: kind)
    for (key, id) in [("bos", 263), ("eos", 264), ("eot", 265)] as [(String, UInt32)] {
      writer.set("tokenizer.ggml.\(key)_token_id", id)
    }
    let metadata = try SmallVocabulary.metadata(writer)
    let tokenizer = try BytePairTokenizer(metadata: metadata)
    let text = "<begin>a<stop>b<turn>"
    let ids = tokenizer.encode(text)
    #expect(ids.allSatisfy { !(263...265).contains($0) } && tokenizer.decode(ids) == text)
    #expect(tokenizer.encode(text, parsingSpecial: true) == [263, 97, 264, 98, 265])
    let vocabulary = try GGUFVocabulary(metadata)
    #expect(vocabulary.endTokens == [264, 265])
    #expect((263...265).allSatisfy { tokenizer.isControl($0) && vocabulary.bytes(of: $0).isEmpty })
    // What is not named keeps its kind.
    #expect(tokenizer.encode("<tool>") == [266] && vocabulary.bytes(of: 266) == Array("<tool>".utf8))
  }

  @Test("does so where the file tells no kinds, and leaves single characters their text")
  func namedEndsWithoutKinds() throws {
    var writer = GGUFWriter()
    writer.set("tokenizer.ggml.model", "gpt2")
    writer.set("tokenizer.ggml.pre", "gpt-2")
    writer.set("tokenizer.ggml.tokens", SmallVocabulary.alphabet + ["he", "<stop>"])
    writer.set("tokenizer.ggml.merges", ["h e"])
    writer.set("tokenizer.ggml.eos_token_id", 257 as UInt32)
    writer.set("tokenizer.ggml.bos_token_id", 44 as UInt32)
    let tokenizer = try BytePairTokenizer(metadata: SmallVocabulary.metadata(writer))
    #expect(tokenizer.isControl(257) && tokenizer.bytes(of: 257).isEmpty)
    #expect(tokenizer.decode(tokenizer.encode("he, <stop>")) == "he, <stop>")
  }

  @Test("refuses inconsistent vocabularies")
  func faults() throws {
    func failure(_ writer: GGUFWriter) throws -> ModelError.Code? {
      try withFile(writer.encoded()) { path in
        code { _ = try BytePairTokenizer(metadata: GGUFFile(path: path).metadata) }
      }
    }
    #expect(try failure(SmallVocabulary.writer(pre: "tekken")) == .unsupported)
    var unmatched = GGUFWriter()
    unmatched.set("tokenizer.ggml.model", "gpt2")
    unmatched.set("tokenizer.ggml.pre", "smollm")
    #expect(try failure(unmatched) == .missing)
    unmatched.set("tokenizer.ggml.tokens", ["a", "b"])
    #expect(try failure(unmatched) == .missing)
    var unknown = unmatched
    unknown.set("tokenizer.ggml.merges", ["a b"])
    #expect(try failure(unknown) == .invalidTokenizer)
    var single = unmatched
    single.set("tokenizer.ggml.merges", ["ab"])
    #expect(try failure(single) == .invalidTokenizer)
    unmatched.set("tokenizer.ggml.merges", [String]())
    unmatched.set("tokenizer.ggml.token_type", [1, 1, 1] as [Int32])
    #expect(try failure(unmatched) == .invalidTokenizer)
  }
}
