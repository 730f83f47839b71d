// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import TenfoldRetrieval
import TenfoldTesting
import Testing

@Suite("Passage splitter")
struct PassageSplitterTests {
  /// One token a word.
  private func words(_ text: Substring) -> Int { text.split(whereSeparator: \.isWhitespace).count }

  private func split(_ text: String, _ maxTokens: Int, overlap: Int = 0) throws -> [String] {
    try PassageSplitter(maxTokens: maxTokens, overlapTokens: overlap).split(text, countTokens: words).map(
      \.text
    )
  }

  @Test("leaves a short text whole and makes nothing of white space")
  func short() throws {
    #expect(try split("  One. Two.\n\nThree! ", 8) == ["One. Two.\n\nThree!"])
    #expect(try split("", 8) == [])
    #expect(try split(" \n\t\u{3000}\r\n", 8) == [])
  }

  @Test("cuts between sentences, and rather between paragraphs")
  func sentences() throws {
    let text = "A b c d. E f g h. I j k l. M n o p."
    #expect(try split(text, 8) == ["A b c d. E f g h.", "I j k l. M n o p."])
    #expect(try split("A b c. D e\n\nF g h. I j k. L m n.", 10) == ["A b c. D e", "F g h. I j k. L m n."])
    // Less than half a passage is not enough.
    #expect(try split("A b\n\nF g h. I j k. L m n o.", 10) == ["A b\n\nF g h. I j k.", "L m n o."])
  }

  @Test("repeats whole sentences at the beginning of the next passage")
  func overlap() throws {
    let text = "A b c. D e. F g h. I j k. L m. N o p."
    #expect(try split(text, 8, overlap: 3) == ["A b c. D e. F g h.", "F g h. I j k. L m.", "L m. N o p."])
    #expect(try split(text, 8, overlap: 2) == ["A b c. D e. F g h.", "I j k. L m. N o p."])
  }

  @Test(
    "knows where sentences end",
    arguments: [
      ("It cost 3.14 or so. Then it rose", ["It cost 3.14 or so.", "Then it rose"]),
      ("Use e.g. apples now. Yes", ["Use e.g. apples now.", "Yes"]),
      ("He said \"no.\" Then he left", ["He said \"no.\"", "Then he left"]),
      ("Really?! Yes… Well", ["Really?!", "Yes…", "Well"]),
      ("これは文です。次の文です！", ["これは文です。", "次の文です！"]),
      ("Ça va ? Oui", ["Ça va ?", "Oui"]),
      ("first line\nstill the same\r\n\r\nnew paragraph", ["first line\nstill the same", "new paragraph"]),
    ]
  )
  func boundaries(text: String, expected: [String]) throws {
    // Each sentence fills a passage.
    let splitter = try PassageSplitter(maxTokens: 8, overlapTokens: 0)
    #expect(splitter.split(text) { _ in 8 }.map(\.text) == expected)
  }

  @Test("cuts sentences that are too long between lines, then words, then characters")
  func longSentences() throws {
    let line = "a b c d e f\n"
    #expect(try split(line + line, 8) == ["a b c d e f", "a b c d e f"])
    #expect(try split("a b c d e f g h i j", 8) == ["a b c d e f g h", "i j"])
    let splitter = try PassageSplitter(maxTokens: 8, overlapTokens: 0)
    let letters = splitter.split(String(repeating: "é", count: 10)) { $0.utf8.count }
    #expect(letters.map(\.text) == ["éééé", "éééé", "éé"])
    let families = splitter.split("👨‍👩‍👧👨‍👩‍👧") { $0.utf8.count }
    #expect(families.allSatisfy { $0.tokenCount <= 8 })
    #expect(families.map(\.text).joined() == "👨‍👩‍👧👨‍👩‍👧")
  }

  /// Texts of words, breaks, terminators, marks and long runs.
  private func text(seed: UInt64, parts: Int) -> String {
    var generator = SplitMix(state: seed)
    let choices = [
      "word", "another ", " ", "\n", "\n\n", "\r\n", ". ", "! ", "? x", "。", "日本語", "e\u{301}", "👨‍👩‍👧",
      "\u{301}",
      "3.14", "\"", ") ", "\u{2029}", "\u{200b}", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "\u{0}", "- ",
      "\u{c}",
    ]
    return (0..<parts).map { _ in choices[Int(generator.next() % UInt64(choices.count))] }.joined()
  }

  struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
      state &+= 0x9e37_79b9_7f4a_7c15
      var z = state
      z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
      z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
      return z ^ z >> 31
    }
  }

  @Test("covers every text within its limits", arguments: 0..<60 as Range<UInt64>)
  func properties(seed: UInt64) throws {
    let text = text(seed: seed, parts: 300)
    let bytes = Array(text.utf8)
    let maxTokens = [8, 9, 17, 40][Int(seed % 4)]
    let overlap = [0, 2, maxTokens / 2][Int(seed % 3)]
    let splitter = try PassageSplitter(maxTokens: maxTokens, overlapTokens: overlap)
    let passages = splitter.split(text)
    #expect(passages == splitter.split(text), "seed \(seed)")
    var isCovered = [Bool](repeating: false, count: bytes.count)
    for passage in passages {
      #expect(Array(passage.text.utf8) == Array(bytes[passage.utf8Range]), "seed \(seed)")
      #expect(passage.tokenCount <= maxTokens, "seed \(seed)")
      #expect(passage.text.unicodeScalars.first?.properties.isWhitespace == false, "seed \(seed)")
      for index in passage.utf8Range { isCovered[index] = true }
    }
    for (a, b) in zip(passages, passages.dropFirst()) {
      #expect(a.utf8Range.lowerBound < b.utf8Range.lowerBound, "seed \(seed)")
      #expect(a.utf8Range.upperBound < b.utf8Range.upperBound, "seed \(seed)")
      if a.utf8Range.upperBound > b.utf8Range.lowerBound {
        let common = bytes[b.utf8Range.lowerBound..<a.utf8Range.upperBound]
        let text = String(decoding: common, as: UTF8.self)
        #expect(PassageSplitter.estimatedTokenCount(of: text) <= overlap, "seed \(seed)")
      }
    }
    let rest = String(decoding: zip(bytes, isCovered).filter { !$1 }.map(\.0), as: UTF8.self)
    #expect(!rest.contains { !$0.isWhitespace }, "seed \(seed)")
  }

  @Test("counts the text a few times at most, however it is made", arguments: 0..<6 as Range<UInt64>)
  func linear(seed: UInt64) throws {
    let text = [
      text(seed: seed, parts: 20_000), String(repeating: "a", count: 200_000),
      String(repeating: "\u{301}", count: 100_000),
      String(repeating: "a. ", count: 60_000), String(repeating: "\u{200b} ", count: 50_000),
      String(repeating: "。", count: 60_000),
    ][Int(seed)]
    var counted = 0
    let splitter = try PassageSplitter(maxTokens: 64, overlapTokens: 32)
    let passages = splitter.split(text) {
      counted += $0.utf8.count
      return PassageSplitter.estimatedTokenCount(of: $0)
    }
    #expect(counted <= 3 * text.utf8.count)
    #expect(passages.reduce(0) { $0 + $1.utf8Range.count } <= 5 * text.utf8.count)
  }

  @Test("makes documents of passages, with ids that lead back")
  func documents() throws {
    let document = IndexedDocument(
      id: "a#b",
      title: "T",
      text: "A b c d. E f g h. I j k l.",
      metadata: ["kind": "test"]
    )
    let passages = try PassageSplitter(maxTokens: 8, overlapTokens: 0).passages(
      of: document,
      countTokens: words
    )
    // One token goes to the title.
    #expect(passages.map(\.text) == ["A b c d.", "E f g h.", "I j k l."])
    #expect(passages.map(\.id) == ["a#b#0", "a#b#1", "a#b#2"])
    #expect(passages.map(\.id) == PassageSplitter.passageIDs(of: "a#b", count: 3))
    #expect(passages.allSatisfy { PassageSplitter.document(of: $0.id) == "a#b" && $0.title == "T" })
    #expect(passages[1].metadata["kind"] == "test")
    #expect(passages[1].metadata[PassageSplitter.documentKey] == "a#b")
    #expect(passages[1].metadata[PassageSplitter.passageCountKey] == "3")
    #expect(passages[1].metadata[PassageSplitter.utf8OffsetKey] == "9")
    for id in ["a", "a#", "a#1x", "#"] as [DocumentID] { #expect(PassageSplitter.document(of: id) == id) }
    let bare = try PassageSplitter().passages(
      of: IndexedDocument(id: "t", title: "T", text: " "),
      countTokens: words
    )
    #expect(bare.map(\.id) == ["t#0"])
    #expect(
      try PassageSplitter().passages(of: IndexedDocument(id: "t", text: " "), countTokens: words).isEmpty
    )
  }

  @Test("what a long document says at its end is found")
  func indexed() async throws {
    let folder = try TestFolder()
    let index = try await SearchIndex.open(
      folder.file("library"),
      embedder: HashingTextEmbedder(dimension: 64)
    )
    let filler = String(repeating: "Nothing of note happened that day. ", count: 200)
    let document = IndexedDocument(id: "long", text: filler + "The comet returned in autumn.")
    let splitter = try PassageSplitter(maxTokens: 64)
    try await index.add(splitter.passages(of: document) { PassageSplitter.estimatedTokenCount(of: $0) })
    let found = try await index.retriever().retrieve(RetrievalQuery("When did the comet return?"))
    let best = try #require(found.passages.first)
    #expect(best.text.hasSuffix("The comet returned in autumn."))
    #expect(PassageSplitter.document(of: best.document) == "long")
    await index.close()
  }

  @Test("hands on what the counter throws")
  func failing() throws {
    struct Failure: Error {}
    let splitter = try PassageSplitter()
    #expect(throws: Failure.self) {
      try splitter.split("a") { (_: Substring) throws -> Int in throw Failure() }
    }
  }

  @Test("refuses impossible limits", arguments: [(7, 0), (8, 5), (8, -1), (0, 0), (.min, 0)])
  func limits(maxTokens: Int, overlap: Int) {
    let error = #expect(throws: RetrievalError.self) {
      try PassageSplitter(maxTokens: maxTokens, overlapTokens: overlap)
    }
    #expect(error?.code == .invalidOption)
  }
}
