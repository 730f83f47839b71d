// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import Testing

@testable import TenfoldInference

@Suite("Fair shares")
struct FairSharesTests {
  /// An engine without a model: computes what is planned, and lets every sequence generate so many tokens.
  private struct Bench {
    var scheduler: EngineScheduler
    var left: [Int: Int] = [:]
    var admitted: [Int] = []

    init(sequences: Int, weights: [TenantID: Double] = [:], blocks: Int = 400) {
      var limits = EngineScheduler.Limits()
      limits.maximumSequences = sequences
      limits.sharedPromptRows = 64
      limits.tenantWeights = weights
      scheduler = EngineScheduler(limits: limits, blockCount: blocks)
    }

    mutating func add(
      _ id: Int,
      _ tenant: TenantID,
      prompt: Int = 40,
      tokens: Int = 4,
      priority: Int = 10,
      due: ContinuousClock.Instant? = nil
    ) {
      let prompt = (0..<prompt).map { Int32($0 + id * 7) }
      scheduler.add(
        id: id,
        tokens: prompt,
        priority: priority,
        due: due,
        tenant: tenant,
        sharesPrefix: false
      )
      left[id] = tokens
    }

    mutating func step() {
      for work in scheduler.plan() {
        if !admitted.contains(work.id) { admitted.append(work.id) }
        scheduler.didCompute(work)
        guard work.isLast, let tokens = left[work.id] else { continue }
        left[work.id] = tokens - 1
        if tokens <= 1 {
          left[work.id] = nil
          scheduler.remove(work.id)
        } else {
          scheduler.append(1, to: work.id)
        }
      }
    }
  }

  @Test("serves a tenant with one request right after the places that a flood has taken")
  func flood() {
    var bench = Bench(sequences: 2)
    for id in 0..<50 { bench.add(id, "flood") }
    bench.step()
    bench.add(100, "small")
    while !bench.scheduler.isIdle { bench.step() }
    #expect(bench.admitted.firstIndex(of: 100) == 2)
    #expect(bench.admitted.count == 51)
  }

  @Test("gives places in turn when two tenants have queued many requests")
  func turns() {
    var bench = Bench(sequences: 1)
    for id in 0..<4 { bench.add(id, "a") }
    for id in 10..<14 { bench.add(id, "b") }
    while !bench.scheduler.isIdle { bench.step() }
    #expect(bench.admitted == [0, 10, 1, 11, 2, 12, 3, 13])
  }

  @Test("serves by weight")
  func weights() {
    var bench = Bench(sequences: 1, weights: ["a": 3])
    for id in 0..<30 { bench.add(id, "a") }
    for id in 100..<130 { bench.add(id, "b") }
    while bench.admitted.count < 24 { bench.step() }
    let mine = bench.admitted.filter { $0 < 100 }.count
    #expect((17...19).contains(mine))
  }

  @Test("lets priorities go before shares, and deadlines before arrival within a tenant")
  func order() {
    var bench = Bench(sequences: 1)
    let now = ContinuousClock.now
    bench.add(1, "a", due: now + .seconds(60))
    bench.add(2, "a", due: now + .seconds(5))
    bench.add(3, "a")
    bench.add(4, "a", due: now + .seconds(30))
    bench.add(5, "a", priority: 20)
    bench.add(6, "b", priority: 0)
    while !bench.scheduler.isIdle { bench.step() }
    #expect(bench.admitted == [5, 2, 4, 1, 3, 6])
  }

  @Test("computes a long prompt that was admitted, however many tenants come that have had nothing")
  func admittedPrompt() {
    var bench = Bench(sequences: 4)
    var next = 100
    // Always more of them than fit, each of another tenant.
    func arrive() {
      while bench.left.count < 12 {
        bench.add(next, TenantID("t\(next)"), prompt: 200, tokens: 3)
        next += 1
      }
    }
    arrive()
    bench.add(1, "long", prompt: 2_000, tokens: 2)
    // Those before it take 35 steps, and its own rows 32.
    for _ in 0..<120 where bench.left[1] == 2 {
      bench.step()
      arrive()
    }
    #expect(bench.left[1] != 2)
  }

  @Test("has a sequence that made room go on before tenants that have had nothing")
  func interrupted() {
    var bench = Bench(sequences: 2, blocks: 4)
    bench.add(1, "a", prompt: 31, tokens: 40)
    bench.add(2, "b", prompt: 31, tokens: 40)
    for id in 10..<20 { bench.add(id, TenantID("t\(id)"), prompt: 31, tokens: 2) }
    while bench.scheduler.preemptions == 0 { bench.step() }
    #expect(bench.admitted == [1, 2])
    bench.admitted = []
    while bench.left[1] != nil || bench.left[2] != nil { bench.step() }
    // The one that went on and the one that made room, before any of the others.
    #expect(Set(bench.admitted.prefix(2)) == [1, 2])
  }

  @Test("saves up no share for a tenant that was away")
  func idle() {
    var bench = Bench(sequences: 1)
    for id in 0..<40 { bench.add(id, "busy") }
    for _ in 0..<60 { bench.step() }
    let before = bench.admitted.count
    for id in 100..<110 { bench.add(id, "late") }
    for _ in 0..<40 { bench.step() }
    // They take turns, though the latecomer has had nothing so far.
    let order = bench.admitted.dropFirst(before).prefix(6).map { $0 >= 100 }
    #expect(zip(order, order.dropFirst()).allSatisfy { $0 != $1 })
  }

  @Test("charges what is computed again after losing its pages only once")
  func recomputed() {
    var bench = Bench(sequences: 2, blocks: 4)
    bench.add(1, "a", prompt: 31, tokens: 80)
    bench.add(2, "b", prompt: 31, tokens: 80)
    while !bench.scheduler.isIdle { bench.step() }
    #expect(bench.scheduler.preemptions > 0)
    // The last token of an answer is not computed.
    #expect(bench.scheduler.shares.used(by: "a") == 31 + 2 * 79)
    #expect(bench.scheduler.shares.used(by: "b") == 31 + 2 * 79)
  }

  @Test("charges time beside the passes as rows that take as long, and none to those that are gone")
  func time() {
    var bench = Bench(sequences: 2)
    bench.add(1, "a")
    bench.add(2, "b")
    bench.step()
    bench.scheduler.didTake(.milliseconds(80), rows: 80)
    let (before, other) = (bench.scheduler.shares.used(by: "a"), bench.scheduler.shares.used(by: "b"))
    bench.scheduler.charge(.milliseconds(100), to: 1)
    bench.scheduler.charge(.milliseconds(100), to: 99)
    #expect(abs(bench.scheduler.shares.used(by: "a") - before - 100) < 1e-6)
    #expect(bench.scheduler.shares.used(by: "b") == other)
  }

  @Test("keeps the shares of tenants with requests waiting close together", arguments: 0..<30)
  func property(seed: UInt64) {
    var random = SamplerRandom(seed: seed)
    let tenants = Int.random(in: 2...5, using: &random)
    let places = Int.random(in: 1...6, using: &random)
    let names = (0..<tenants).map { TenantID("tenant \($0)") }
    var weights: [TenantID: Double] = [:]
    for name in names where Bool.random(using: &random) {
      weights[name] = Double.random(in: 0.5...4, using: &random)
    }
    var bench = Bench(sequences: places, weights: weights)
    let (longestPrompt, longestAnswer) = (120, 20)
    var id = 0
    var waits: [TenantID: Int] = [:]
    for name in names {
      waits[name] = 0
      for _ in 0..<40 {
        bench.add(
          id,
          name,
          prompt: Int.random(in: 1...longestPrompt, using: &random),
          tokens: Int.random(in: 1...longestAnswer, using: &random)
        )
        id += 1
      }
    }
    // The paper's bound: twice what fits into the engine at once, or one prompt if that is more.
    let work = Double(longestPrompt) + FairShares.tokenWork * Double(longestAnswer)
    let bound = 2 * Double(places) * work / (weights.values.min().map { min(1, $0) } ?? 1)
    var finished: Set<Int> = []
    while finished.count < 20 * tenants, !bench.scheduler.isIdle {
      bench.step()
      finished = Set((0..<id).filter { bench.left[$0] == nil })
      let backlogged = names.indices.filter { tenant in
        (tenant * 40..<tenant * 40 + 40).contains { bench.left[$0] != nil && !bench.admitted.contains($0) }
      }
      let used = backlogged.map { bench.scheduler.shares.used(by: names[$0]) }
      guard let least = used.min(), let most = used.max() else { break }
      #expect(most - least <= bound, "seed \(seed): \(used)")
    }
  }

  @Test("remembers a bounded number of tenants", arguments: 0..<3)
  func memory(seed: UInt64) {
    var random = SamplerRandom(seed: seed)
    var shares = FairShares()
    shares.enter("here")
    for number in 0..<5_000 {
      shares.enter(TenantID("tenant \(number)"))
      shares.charge(TenantID("tenant \(number)"), Double.random(in: 0...100, using: &random))
      shares.leave(TenantID("tenant \(number)"))
    }
    #expect(shares.count <= 1_025, "seed \(seed)")
    #expect(shares.used(by: "here") == 0)
  }
}
