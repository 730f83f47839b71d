// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCache
import TenfoldCore
import TenfoldTesting
import Testing

@Suite("The cache guard")
struct CacheGuardTests {
  @Test(
    "vetoes questions that differ in a small word of weight",
    arguments: [
      ("Is it safe to take 200 mg?", "Is it safe to take 400 mg?", CacheGuard.Checks.numbers),
      ("What is 12 minus 4?", "What is 144 minus 4?", .numbers),
      ("List five fruits", "List six fruits", .numbers),
      ("What is 2 + 2?", "What is 2 * 2?", .numbers),
      ("What is 2 + 2?", "What is 2 \u{d7} 2?", .numbers),
      ("What is 6 \u{f7} 2?", "What is 6 2?", .numbers),
      ("What is 6 \u{2212} 2?", "What is 6 2?", .numbers),
      ("What is 6 - 2?", "What is 6 2?", .numbers),
      ("What is 1 + 2 - 3?", "What is 1 - 2 + 3?", .order),
      ("Is it safe at -20 C?", "Is it safe at 20 C?", .numbers),
      ("Is it safe at \u{2212}20 C?", "Is it safe at 20 C?", .numbers),
      ("Is it safe (-20 C)?", "Is it safe (20 C)?", .numbers),
      ("Is it safe from -20 to 30 C?", "Is it safe from 20 to -30 C?", .numbers),
      ("Is it safe from -20 to 20 C?", "Is it safe from 20 to -20 C?", .order),
      ("How much is -$5 in euros?", "How much is $5 in euros?", .numbers),
      ("Is -.5 a root?", "Is .5 a root?", .numbers),
      ("Is x \u{2264} 5?", "Is x \u{2265} 5?", .numbers),
      ("Is x = 5?", "Is x \u{2260} 5?", .numbers),
      ("When is a && b true?", "When is a || b true?", .numbers),
      ("What does ~x do?", "What does x do?", .numbers),
      ("Who is @ana?", "Who is ana?", .numbers),
      ("What is C?", "What is C#?", .numbers),
      ("Is 5 \u{a5} a lot?", "Is 5 \u{20b9} a lot?", .numbers),
      ("Convert $5 to \u{20ac}", "Convert 5 \u{20ac} to $", .order),
      ("Nimm 1,5 mg", "Nimm 15 mg", .numbers),
      ("Nimm 1,5000 mg", "Nimm 15000 mg", .numbers),
      ("Is smoking allowed here?", "Is smoking not allowed here?", .negation),
      ("Why doesn't sugar dissolve in oil?", "Why does sugar dissolve in oil?", .negation),
      ("What is the maximum speed?", "What is the minimum speed?", .negation),
      ("How do I enable the firewall?", "How do I disable the firewall?", .negation),
      ("Who is the president of France?", "Who is the president of Ghana?", .names),
      ("How do I get from Rome to Paris?", "How do I get from Paris to Rome?", .order),
      ("can dogs eat cats", "can cats eat dogs", .order),
      ("Can I take aspirin with food?", "Can I take paracetamol with food?", .substitution),
      ("Convert 5 inches to metres", "Convert 5 feet to metres", .substitution),
      ("请问一下北京市的人口是多少", "请问一下北京市的面积是多少", .substitution),
      ("東京の人口は何人ですか", "東京の面積は何ですか", .substitution),
      ("ประชากรของกรุงเทพ", "พื้นที่ของกรุงเทพ", .substitution),
      ("上海到北京多远", "北京到上海多远", .order),
    ]
  )
  func vetoes(stored: String, asked: String, check: CacheGuard.Checks) {
    #expect(CacheGuard().objection(to: stored, for: asked) == check)
    #expect(CacheGuard().objection(to: asked, for: stored) != nil)
  }

  @Test(
    "lets paraphrases pass",
    arguments: [
      ("What are the five best movies of all time?", "What are the 5 best movies of all time?"),
      ("What was your good deed for today?", "What was your good deed of today?"),
      ("How can I boil an egg?", "How do I boil eggs?"),
      ("Why don't cats like water?", "Why do cats not like water?"),
      ("What's the capital of France?", "Tell me the capital of France"),
      ("Is it a well-known fact?", "Is it a well known fact?"),
      ("Is \u{2212}20 C safe?", "Is -20 C safe?"), ("What is 6 - 2?", "What is 6 \u{2212} 2?"),
      ("What costs $1,234,567.50?", "What costs 1234567.50$?"), ("Is 1,000 m far?", "Is 1000 m far?"),
      ("what is the capital of france", "What is the capital of France?"),
      ("请问 北京市的人口是多少？", "请问北京市的人口是多少?"),
      ("", ""), ("?", "!"),
    ]
  )
  func passes(stored: String, asked: String) {
    #expect(CacheGuard().objection(to: stored, for: asked) == nil)
    #expect(CacheGuard().objection(to: asked, for: stored) == nil)
  }

  @Test("never objects to the same question, and no text traps it", arguments: 0..<200)
  func same(seed: Int) {
    var generator = SeededGenerator(seed: UInt64(seed))
    let alphabet = Array("abcXYZ 019.,?!'’-\u{2212}\u{2013}+%#\n\u{0}é👩‍👩‍👧ß中") + [" ", " ", " "]
    func text() -> String {
      String(
        (0..<Int.random(in: 0..<60, using: &generator)).compactMap { _ in
          alphabet.randomElement(using: &generator)
        }
      )
    }
    let a = text()
    let b = text()
    #expect(CacheGuard().objection(to: a, for: a) == nil, "seed \(seed): \(a.debugDescription)")
    let forward = CacheGuard().objection(to: a, for: b) == nil
    let backward = CacheGuard().objection(to: b, for: a) == nil
    #expect(forward == backward, "seed \(seed)")
  }
}

@Suite("The serve policy")
struct SemanticServePolicyTests {
  private let policy = SemanticServePolicy(threshold: 0.9)

  @Test("serves the most alike candidate that the guard lets pass")
  func serves() {
    let candidates: [SemanticServePolicy.Candidate] = [
      .init(question: "How tall is the K2 mountain?", similarity: 0.92),
      .init(question: "How tall is K3?", similarity: 0.99),
      .init(question: "how tall is K2 please", similarity: 0.95),
    ]
    #expect(policy.decide("How tall is K2?", among: candidates) == .serve(2))
  }

  @Test("says why nothing is served")
  func refuses() {
    #expect(policy.decide("q", among: []) == .tooFar(nil))
    #expect(policy.decide("q", among: [.init(question: "q", similarity: 0.5)]) == .tooFar(0.5))
    #expect(policy.decide("q", among: [.init(question: "q", similarity: .nan)]) == .tooFar(nil))
    #expect(policy.decide("q 1", among: [.init(question: "q 2", similarity: 1)]) == .vetoed(.numbers))
  }

  @Test("a threshold out of range serves equal vectors only", arguments: [Float.nan, -1, 2, .infinity])
  func thresholds(value: Float) {
    #expect(SemanticServePolicy(threshold: value).threshold == 1)
  }
}
