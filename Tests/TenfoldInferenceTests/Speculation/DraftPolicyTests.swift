// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import TenfoldInference

@Suite("What a pass costs")
struct PassCostTests {
  @Test("is found from passes that differ in their rows", arguments: 0..<20)
  func fit(seed: UInt64) {
    var random = SamplerRandom(seed: seed)
    let first = 0.001 + random.unit()
    let further = first * (0.05 + random.unit())
    var cost = PassCost()
    #expect(!cost.isKnown)
    for _ in 0..<400 {
      let rows = Int.random(in: 1...12, using: &random)
      cost.note(rows: rows, seconds: first + further * Double(rows - 1))
    }
    #expect(cost.isKnown)
    #expect(abs(cost.first - first) < 0.1 * first, "seed \(seed)")
    #expect(abs(cost.further - further) < 0.1 * first, "seed \(seed)")
  }

  @Test("has the modelled slope as long as all passes are alike")
  func alike() {
    var cost = PassCost()
    for _ in 0..<50 { cost.note(rows: 1, seconds: 0.5) }
    #expect(abs(cost.first - 0.5) < 1e-9)
    #expect(abs(cost.further - 0.5 * PassCost.rowCost) < 1e-9)
  }

  @Test("hardly changes by a pass that was interrupted")
  func interrupted() {
    var cost = PassCost()
    for _ in 0..<50 { cost.note(rows: 1, seconds: 0.1) }
    cost.note(rows: 1, seconds: 10)
    #expect(cost.first < 0.11)
  }

  @Test("leaves alone what is fixed, and passes over nothing or of no time")
  func fixed() {
    var cost = PassCost(first: 1, further: 0.25)
    cost.note(rows: 1, seconds: 7)
    #expect(cost.seconds(rows: 5) == 2)
    var empty = PassCost()
    empty.note(rows: 0, seconds: 1)
    empty.note(rows: 1, seconds: 0)
    #expect(!empty.isKnown)
  }
}

@Suite("Whether a draft model's guesses pay")
struct DraftPolicyTests {
  private func policy(draft: Double, row: Double = 0.1, limit: Int = 8) -> DraftPolicy {
    DraftPolicy(
      limit: limit,
      ratio: draft,
      target: PassCost(first: 1, further: row),
      draft: PassCost(first: draft, further: draft * row)
    )
  }

  private func offer(
    _ policy: DraftPolicy,
    id: Int = 1,
    pending: Int = 1,
    remaining: Int = 100
  ) -> DraftPolicy.Offer {
    DraftPolicy.Offer(id: id, pending: pending, remaining: remaining, yield: policy.yield(isSampled: false))
  }

  @Test("says yes to a cheap draft and no to a dear one")
  func cost() {
    let cheap = policy(draft: 0.1)
    #expect(cheap.round([offer(cheap)], besides: 1, sequences: 1) == .init(ids: [1]))
    let dear = policy(draft: 0.8)
    #expect(dear.round([offer(dear)], besides: 1, sequences: 1).ids.isEmpty)
  }

  @Test("says no where the pass is wide")
  func wide() {
    let policy = policy(draft: 0.1)
    let isWorth = [1, 2, 4, 8, 16, 32].map { count in
      !policy.round((0..<count).map { offer(policy, id: $0) }, besides: count, sequences: count).ids.isEmpty
    }
    #expect(isWorth.first == true && isWorth.last == false)
    #expect(isWorth == isWorth.sorted { $0 && !$1 })
  }

  @Test("takes the modelled relation of the weights until both are measured")
  func unmeasured() {
    for (ratio, isWorth) in [(0.1, true), (0.9, false)] {
      let policy = DraftPolicy(limit: 8, ratio: ratio)
      #expect(policy.round([offer(policy)], besides: 1, sequences: 1).ids.isEmpty != isWorth)
    }
  }

  @Test("catches up with a long prompt only where enough is to come")
  func catchingUp() {
    let policy = policy(draft: 0.1)
    func ids(pending: Int, remaining: Int) -> [Int] {
      policy.round([offer(policy, pending: pending, remaining: remaining)], besides: 1, sequences: 1).ids
    }
    #expect(ids(pending: 500, remaining: 400) == [1])
    #expect(ids(pending: 500, remaining: 10) == [])
    #expect(ids(pending: 5, remaining: 10) == [1])
  }

  @Test("stops where guesses fail, probes for little, and comes back when they come true")
  func adapts() {
    var policy = policy(draft: 0.3)
    var yield = policy.yield(isSampled: false)
    /// The part of the time that rounds take, and the part of the passes that have one.
    func run(_ count: Int, isHit: Bool) -> (time: Double, rounds: Double) {
      var (spent, rounds) = (0.0, 0.0)
      for _ in 0..<count {
        policy.didComputeTarget(rows: 1, isDecoding: true, seconds: 1)
        let offer = DraftPolicy.Offer(id: 1, pending: 1, remaining: 100, yield: yield)
        let round = policy.round([offer], besides: 1, sequences: 1)
        guard !round.ids.isEmpty else { continue }
        policy.didComputeDraft(rows: 1, isProbe: round.isProbe, seconds: 1)
        policy.didCheck(
          [0.8],
          hits: isHit ? 1 : 0,
          isMissed: !isHit,
          isSampled: false,
          isProbe: round.isProbe
        )
        policy.didFinish(accepted: isHit ? 1 : 0, checked: 1, passes: 1, rows: 1, isSampled: false)
        yield.note(accepted: isHit ? 1 : 0, checked: 1, passes: 1, rows: 1)
        rounds += 1
        spent += 0.4
      }
      return (spent / Double(count), rounds / Double(count))
    }
    _ = run(200, isHit: false)
    #expect(policy.rate(confidence: 0.8, isSampled: false) < 0.3)
    #expect(policy.rate(confidence: 0.8, isSampled: true) > 0.5)
    let failing = run(2_000, isHit: false)
    #expect(failing.rounds > 0 && failing.time < 0.02)
    _ = run(4_000, isHit: true)
    #expect(run(100, isHit: true).rounds == 1)
  }

  @Test("makes another guess only as far as the ones before are likely")
  func depth() {
    let policy = policy(draft: 0.2)
    func extended(_ chances: [Double], sequences: Int = 1) -> [Int] {
      policy.worthExtending(chances.map { ($0, false) }, besides: sequences + 1, sequences: sequences)
    }
    #expect(extended([0.95]) == [0])
    #expect(extended([0.2]) == [])
    #expect(extended([0.95, 0.05, 0.9], sequences: 3) == [0, 2])
    #expect(policy.isWorthChecking(0.5, besides: 1, sequences: 1))
    #expect(!policy.isWorthChecking(0.05, besides: 1, sequences: 1))
  }

  @Test("keeps apart how sure the draft was")
  func confidence() {
    var acceptance = DraftAcceptance()
    let rates = [0.1, 0.5, 0.8, 0.95, 0.99].map { acceptance.rate(of: .model(confidence: $0)) }
    #expect(rates == rates.sorted() && Set(rates).count == 5)
    for _ in 0..<100 { acceptance.note(.model(confidence: 0.99), hits: 0, isMissed: true) }
    #expect(acceptance.rate(of: .model(confidence: 0.99)) < 0.1)
    #expect(acceptance.rate(of: .model(confidence: 0.95)) == rates[3])
    #expect(acceptance.rate(of: .format) == 0.9)
  }
}
