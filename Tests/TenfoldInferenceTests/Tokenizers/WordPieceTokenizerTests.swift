// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldInference
import Testing

@Suite("WordPiece")
struct WordPieceTokenizerTests {
  static let pieces = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "un", "##aff", "##able", "cafe", ",", "!", "中", "i", "a",
    "##a", "[", "]", "cls",
  ]
  private func tokenizer() throws -> WordPieceTokenizer {
    try WordPieceTokenizer(vocabulary: Array(Self.pieces.joined(separator: "\n").utf8))
  }

  @Test(
    "follows BERT's normalisation and longest match",
    arguments: [
      ("", []), (" \n\t\u{a0}", []), ("unaffable", [5, 6, 7]), ("UnAffAble", [5, 6, 7]), ("Café", [8]),
      ("Cafe\u{301}", [8]), ("cafe,cafe!", [8, 9, 8, 10]), ("a中a", [13, 11, 13]), ("İ", [12]),
      ("a\u{200b}\u{0}a", [13, 14]), ("zebra", [1]), ("unzebra", [1]), ("a[MASK]a", [13, 4, 13]),
      ("[cls]", [15, 17, 16]), ("a\u{fffd}", [13]),
    ] as [(String, [Int32])]
  )
  func words(_ text: String, _ expected: [Int32]) throws {
    #expect(try tokenizer().encode(text, parsingSpecial: true) == [2] + expected + [3])
  }

  @Test("takes specials as text unless told to parse them")
  func plainSpecials() throws {
    #expect(try tokenizer().encode("[CLS]", parsingSpecial: false) == [2, 15, 17, 16, 3])
  }

  @Test("makes words of more than 100 characters unknown")
  func longWords() throws {
    let tokenizer = try tokenizer()
    let word = String(repeating: "a", count: 100)
    #expect(tokenizer.encode(word) == [2, 13] + [Int32](repeating: 14, count: 99) + [3])
    #expect(tokenizer.encode(word + "a") == [2, 1, 3])
    #expect(tokenizer.encode(String(repeating: "a", count: 10_000)) == [2, 1, 3])
  }

  @Test(
    "cuts to a length and says so",
    arguments: [(2, 0, true), (4, 2, true), (5, 3, false), (256, 3, false), (-1, 0, true)]
  )
  func truncation(_ maximum: Int, _ kept: Int, _ isTruncated: Bool) throws {
    let result = try tokenizer().encode("unaffable", maximumTokens: maximum)
    #expect(result.ids == [2] + [5, 6, 7].prefix(kept) + [3])
    #expect(result.isTruncated == isTruncated)
  }

  @Test(
    "takes a lot of one character",
    arguments: ["\u{301}", "👨‍👩‍👧", "\u{0}", "中", "!", " ", "\u{302e}\u{16ff0}"]
  )
  func oneCharacter(_ character: String) throws {
    let ids = try tokenizer().encode(String(repeating: character, count: 2_000))
    #expect(ids.first == 2 && ids.last == 3)
  }

  @Test("refuses a vocabulary without its special tokens")
  func faults() {
    #expect(code { _ = try WordPieceTokenizer(vocabulary: Array("a\nb".utf8)) } == .invalidTokenizer)
    #expect(code { _ = try WordPieceTokenizer(vocabulary: []) } == .invalidTokenizer)
    #expect(code { _ = try WordPieceTokenizer(path: "/nonexistent/vocab.txt") } == .inputOutput)
  }
}
