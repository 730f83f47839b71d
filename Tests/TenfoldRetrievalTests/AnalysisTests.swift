// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldRetrieval
import Testing

@Suite("English analysis")
struct AnalysisTests {
  // Pairs from the published description of the algorithm and worked out by hand from its rules.
  @Test(
    "stems as the published algorithm says",
    arguments: [
      ("consign", "consign"), ("consigned", "consign"), ("consigning", "consign"), ("consignment", "consign"),
      ("consist", "consist"), ("consisted", "consist"), ("consistency", "consist"), ("consistent", "consist"),
      ("consistently", "consist"), ("consolation", "consol"), ("consolations", "consol"),
      ("console", "consol"),
      ("consoling", "consol"), ("knack", "knack"), ("knackeries", "knackeri"), ("knaves", "knave"),
      ("knavish", "knavish"), ("kneaded", "knead"), ("knightly", "knight"), ("knots", "knot"),
      ("caresses", "caress"), ("flies", "fli"), ("ties", "tie"), ("cries", "cri"), ("gas", "gas"),
      ("this", "this"),
      ("gaps", "gap"), ("kiwis", "kiwi"), ("agreed", "agre"), ("feed", "feed"), ("hopping", "hop"),
      ("hoped", "hope"), ("hoping", "hope"), ("fizzed", "fizz"), ("luxuriated", "luxuri"),
      ("enabled", "enabl"),
      ("by", "by"), ("say", "say"), ("cry", "cri"), ("relational", "relat"), ("conditional", "condit"),
      ("rational", "ration"), ("digitizer", "digit"), ("operator", "oper"), ("hopefulness", "hope"),
      ("callousness", "callous"), ("sensibility", "sensibl"), ("apology", "apolog"), ("happily", "happili"),
      ("formality", "formal"), ("electricity", "electr"), ("electrical", "electr"), ("formative", "format"),
      ("revival", "reviv"), ("allowance", "allow"), ("adjustment", "adjust"), ("adoption", "adopt"),
      ("communism", "communism"), ("generally", "general"), ("general", "general"), ("generic", "generic"),
      ("communication", "communic"), ("rate", "rate"), ("rolling", "roll"), ("controller", "control"),
      ("skis", "ski"), ("dying", "die"), ("news", "news"), ("innings", "inning"), ("proceeding", "proceed"),
      ("succeed", "succeed"), ("youth", "youth"), ("boyish", "boyish"), ("dog's", "dog"),
      ("dogs'", "dog"), ("beautiful", "beauti"), ("beauty", "beauti"), ("bed", "bed"), ("shed", "shed"),
      ("shred", "shred"), ("", ""), ("a", "a"), ("é", "é"), ("tumours", "tumour"),
    ]
  )
  func stems(word: String, stem: String) {
    #expect(EnglishStemmer.stem(word) == stem)
  }

  @Test("any run of letters and apostrophes has a stem that is not longer than it plus one")
  func neverTraps() {
    let seed: UInt64 = 11
    var generator = SeededGenerator(seed: seed)
    let letters = Array("aeiouybcdlmnrstzx'")
    for _ in 0..<20_000 {
      let count = Int.random(in: 0...9, using: &generator)
      let word = String(
        (0..<count).map { _ in letters[Int.random(in: 0..<letters.count, using: &generator)] }
      )
      #expect(EnglishStemmer.stem(word).utf8.count <= word.utf8.count + 1, "seed \(seed), \(word)")
    }
  }

  @Test(
    "breaks words as documented",
    arguments: [
      ("Hello, World!", ["hello", "world"]),
      ("don't u.s.a. 3.14 1,000", ["don't", "u.s.a", "3.14", "1,000"]),
      ("it’s", ["it's"]), ("a.1 b,c", ["a", "1", "b", "c"]), ("IL-2 p53_x", ["il", "2", "p53_x"]),
      ("Größe ΣΟΦΟΣ", ["größe", "σοφοσ"]), ("日本語 text", ["日", "本", "語", "text"]),
      ("end. Next", ["end", "next"]),
      ("🧬👩‍🔬", []), ("", []), (" \n\t", []), ("'quoted'", ["quoted"]), ("x\0y", ["x", "y"]),
      ("...,,,''", []), ("นก", ["น", "ก"]),
    ]
  )
  func words(text: String, words: [String]) {
    #expect(EnglishAnalyzer(stopWords: [], stems: false).terms(in: text) == words)
  }

  @Test("leaves out stop words before stemming")
  func stopWords() {
    #expect(
      EnglishAnalyzer().terms(in: "The patients' fevers were lowered") == [
        "patient", "fever", "were", "lower",
      ]
    )
  }

  @Test(
    "cuts a megabyte without a space into words of bounded length",
    arguments: ["a", "\u{301}", "é", "字", "1,", "a.", "_"]
  )
  func hugeWords(piece: String) {
    let text = String(repeating: piece, count: (1 << 20) / piece.utf8.count)
    let terms = EnglishAnalyzer().terms(in: text)
    #expect(terms.allSatisfy { $0.utf8.count <= 260 })
    #expect(terms.count <= 1 << 19)
  }

  @Test("analyzers that differ have different identifiers")
  func identifiers() {
    let all = [
      EnglishAnalyzer(), EnglishAnalyzer(stems: false), EnglishAnalyzer(stopWords: []),
      EnglishAnalyzer(stopWords: ["a"]),
    ]
    #expect(Set(all.map(\.identifier)).count == all.count)
    #expect(EnglishAnalyzer().identifier == EnglishAnalyzer().identifier)
  }
}
