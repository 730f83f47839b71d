// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldCore
import TenfoldTesting
import Testing

@Suite("Money")
struct MoneyTests {
  @Test("sums saturate instead of overflowing")
  func saturates() {
    let most = Money(nanodollars: .max)
    let least = Money(nanodollars: .min)
    #expect(most + Money(nanodollars: 1) == most)
    #expect(least + Money(nanodollars: -1) == least)
    #expect(most + least == Money(nanodollars: -1))
    #expect(Money(dollars: .infinity) == most)
    #expect(Money(dollars: -.infinity) == least)
    #expect(Money(dollars: .nan) == .zero)
    #expect(Money(dollars: 1e300) == most)
  }

  @Test(
    "is printed with six decimals",
    arguments: [
      (1_500_000_000, "$1.500000"), (0, "$0.000000"), (-1, "$0.000000"), (-2_000, "-$0.000002"),
      (999_999_999, "$1.000000"), (Int64.min, "-$9223372036.854776"),
    ] as [(Int64, String)]
  )
  func prints(nanodollars: Int64, text: String) {
    #expect(Money(nanodollars: nanodollars).description == text)
  }

  @Test("a price counts tokens and CPU time")
  func prices() {
    let price = ModelPrice(
      dollarsPerMillionPromptTokens: 1,
      dollarsPerMillionCompletionTokens: 2,
      dollarsPerCPUSecond: 0.5
    )
    let usage = TokenUsage(promptTokens: 1000, completionTokens: 500, cpuTime: .seconds(2))
    #expect(price.cost(of: usage) == Money(dollars: 0.001 + 0.001 + 1))
  }
}

@Suite("Token usage")
struct TokenUsageTests {
  @Test("tells the time per token, where there are two")
  func timePerToken() {
    var usage = TokenUsage(
      completionTokens: 5,
      queueTime: .milliseconds(10),
      timeToFirstToken: .milliseconds(30),
      computeTime: .milliseconds(100)
    )
    #expect(usage.timePerToken == .milliseconds(20))
    usage.completionTokens = 1
    #expect(usage.timePerToken == nil)
  }

  @Test("counts saturate, whatever models say of themselves")
  func saturates() {
    let most = TokenUsage(promptTokens: .max, cachedPromptTokens: .max, completionTokens: .min)
    let sum = most + TokenUsage(promptTokens: 1, cachedPromptTokens: .min, completionTokens: -1)
    #expect(sum.promptTokens == .max && sum.cachedPromptTokens == -1 && sum.completionTokens == .min)
    let book = CostBook()
    for _ in 0..<2 {
      book.book(ModelCall(model: "m", tier: .small, usage: most, cost: .zero), tenant: "acme")
    }
    let line = book.snapshot[CostBook.Key(tenant: "acme", item: "m")]
    #expect(line?.promptTokens == .max && line?.completionTokens == .min)
  }

  @Test("is read back as it was written, and without the counts of guesses")
  func coding() throws {
    let usage = TokenUsage(promptTokens: 9, completionTokens: 5, draftedTokens: 4, acceptedTokens: 3)
    let data = try JSONEncoder().encode(usage)
    #expect(try JSONDecoder().decode(TokenUsage.self, from: data) == usage)
    var fields = try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
    fields["draftedTokens"] = nil
    fields["acceptedTokens"] = nil
    let older = try JSONDecoder().decode(
      TokenUsage.self,
      from: JSONSerialization.data(withJSONObject: fields)
    )
    #expect(older == TokenUsage(promptTokens: 9, completionTokens: 5))
  }
}

@Suite("A cost book")
struct CostBookTests {
  private func call(_ dollars: Double) -> ModelCall {
    ModelCall(
      model: "m",
      tier: .small,
      usage: TokenUsage(promptTokens: 3, completionTokens: 2),
      cost: Money(dollars: dollars)
    )
  }

  @Test("adds up by tenant and in all")
  func addsUp() {
    let book = CostBook()
    book.book(call(1), tenant: "a")
    book.book(call(2), tenant: "a")
    book.book(call(4), tenant: "b")
    book.book(StageRecord(stage: "s", work: .zero, cost: Money(dollars: 8)), tenant: "b")
    #expect(book.total(of: "a") == Money(dollars: 3))
    #expect(book.total(of: "b") == Money(dollars: 12))
    #expect(book.total == Money(dollars: 15))
    #expect(book.snapshot[.init(tenant: "a", item: "m")]?.completionTokens == 4)
  }

  @Test("beyond its limit, tenants share a line and no money is lost")
  func bounded() {
    let book = CostBook(maximumLines: 10)
    for index in 0..<1000 { book.book(call(1), tenant: TenantID("t\(index)")) }
    #expect(book.snapshot.count <= 11)
    #expect(book.total == Money(dollars: 1000))
  }

  @Test("booking from many tasks loses nothing")
  func concurrent() async {
    let book = CostBook()
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<8 {
        group.addTask { for _ in 0..<500 { book.book(call(0.001), tenant: "a") } }
      }
    }
    #expect(book.snapshot[.init(tenant: "a", item: "m")]?.count == 4000)
  }
}

@Suite("A request's trace")
struct RequestTraceTests {
  private struct Broken: Error {}

  @Test("measures stages with its own clock, also when they throw")
  func measures() async throws {
    let time = ManualTime()
    let trace = RequestTrace(time: time.source)
    let value = await trace.measure("one") { line in
      time.advance(by: .milliseconds(5))
      line.note = "fine"
      return 3
    }
    #expect(value == 3)
    await #expect(throws: Broken.self) {
      try await trace.measure("two") { (_: inout StageRecord) async throws in
        time.advance(by: .milliseconds(7))
        throw Broken()
      }
    }
    #expect(trace.stages.map(\.stage) == ["one", "two"])
    #expect(trace.stages.map(\.work) == [.milliseconds(5), .milliseconds(7)])
    #expect(trace.stages.map(\.note) == ["fine", "failed"])
    #expect(trace.elapsed == .milliseconds(12))
  }

  @Test("is shared by the copies of a context")
  func shared() {
    let request = InferenceRequest("q", tenant: "a")
    let copy = request
    copy.context.trace.record(StageRecord(stage: "s", work: .zero))
    #expect(request.context.trace.stages.count == 1)
  }
}

@Suite("Identity")
struct IdentityTests {
  @Test(
    "digests are SHA-256",
    arguments: [
      // FIPS 180-4 examples, and the empty text.
      ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
      ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
      (
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
      ),
    ]
  )
  func digests(text: String, expected: String) {
    #expect(ContentDigest(of: text.utf8).description == expected)
  }

  @Test("a million bytes in pieces give the known digest")
  func long() {
    var hasher = ContentDigest.Hasher()
    let piece = [UInt8](repeating: UInt8(ascii: "a"), count: 1000)
    for _ in 0..<1000 { hasher.append(raw: piece) }
    #expect(
      hasher.finish().description == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
    )
  }

  @Test("pieces can't be shifted between texts")
  func framing() {
    var a = ContentDigest.Hasher()
    a.append("ab")
    a.append("c")
    var b = ContentDigest.Hasher()
    b.append("a")
    b.append("bc")
    #expect(a.finish() != b.finish())
  }

  @Test("the generator repeats itself from a seed, as published")
  func generator() {
    var generator = SeededGenerator(seed: 1_234_567)
    // The reference sequence of SplitMix64 from this seed.
    #expect(generator.next() == 6_457_827_717_110_365_317)
    #expect(generator.next() == 3_203_168_211_198_807_973)
  }
}
