// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import TenfoldInference

@Suite("Embedding batcher")
struct EmbeddingBatcherTests {
  private func batcher(_ step: Int = 10, limit: Int = 100) -> EmbeddingBatcher {
    EmbeddingBatcher(stepTokens: step, waitingLimit: limit)
  }

  @Test("callers share a step and take turns")
  func shares() {
    var batcher = batcher()
    let result1 = batcher.add(1, tokenCounts: [4, 4])
    #expect(result1)
    let result2 = batcher.add(2, tokenCounts: [2, 3])
    #expect(result2)
    let first = batcher.nextStep()
    #expect(first == [.init(request: 1, index: 0), .init(request: 2, index: 0), .init(request: 2, index: 1)])
    let result3 = batcher.finish(first)
    #expect(result3 == [2])
    let second = batcher.nextStep()
    #expect(second == [.init(request: 1, index: 1)])
    let result4 = batcher.finish(second)
    #expect(result4 == [1])
    let result5 = batcher.nextStep().isEmpty
    #expect(result5)
    #expect(batcher.waitingTokens == 0)
  }

  @Test("a question goes into the next step, however large the call before it is")
  func turns() {
    var batcher = batcher(10, limit: 100)
    _ = batcher.add(1, tokenCounts: Array(repeating: 2, count: 5_000))
    for id in UInt64(2)..<40 {
      _ = batcher.nextStep()
      let isTaken = batcher.add(id, tokenCounts: [3])
      #expect(isTaken)
      let step = batcher.nextStep()
      #expect(step.contains(.init(request: id, index: 0)) && step.contains { $0.request == 1 })
    }
  }

  @Test("a text longer than a step gets a step of its own")
  func long() {
    var batcher = batcher()
    _ = batcher.add(1, tokenCounts: [25, 1])
    let result6 = batcher.nextStep().count
    #expect(result6 == 1)
    let result7 = batcher.nextStep().count
    #expect(result7 == 1)
  }

  @Test("a cancelled request leaves no work behind")
  func cancels() {
    var batcher = batcher()
    _ = batcher.add(1, tokenCounts: [6, 6, 6])
    _ = batcher.add(2, tokenCounts: [5])
    let running = batcher.nextStep()
    batcher.remove(1)
    #expect(batcher.waitingTokens == 5)
    let result8 = batcher.finish(running).isEmpty
    #expect(result8)
    let result9 = batcher.nextStep()
    #expect(result9 == [.init(request: 2, index: 0)])
  }

  @Test("too much waiting work is refused, but never a call on its own")
  func bounded() {
    var batcher = batcher(10, limit: 20)
    let large = batcher.add(1, tokenCounts: [50])
    #expect(large)
    // It counts for half.
    let half = batcher.add(2, tokenCounts: [10])
    #expect(half)
    let more = batcher.add(3, tokenCounts: [1])
    #expect(!more)
    #expect(batcher.waitingTokens == 60)
    while !batcher.nextStep().isEmpty {}
    let others = [batcher.add(4, tokenCounts: [10]), batcher.add(5, tokenCounts: [10])]
    #expect(others == [true, true])
    let last = batcher.add(6, tokenCounts: [1])
    #expect(!last)
  }

  /// What the batcher does, looked for among all requests each time.
  private struct PlainBatcher {
    var waiting: [(id: UInt64, counts: [Int], next: Int, served: Int)] = []
    let stepTokens: Int
    let limit: Int

    func left(_ position: Int) -> Int { waiting[position].counts[waiting[position].next...].reduce(0, +) }

    mutating func add(_ id: UInt64, _ counts: [Int]) -> Bool {
      let counted = waiting.indices.reduce(0) { $0 + min(left($1), limit / 2) }
      guard waiting.isEmpty || counts.reduce(0, +) <= limit - counted else { return false }
      waiting.append((id, counts, 0, waiting.map { $0.served }.min() ?? 0))
      return true
    }

    mutating func nextStep() -> [EmbeddingBatcher.Item] {
      var items: [EmbeddingBatcher.Item] = []
      var room = stepTokens
      while let first = waiting.indices.min(by: { waiting[$0].served < waiting[$1].served }) {
        let count = waiting[first].counts[waiting[first].next]
        guard count <= room || items.isEmpty else { break }
        items.append(.init(request: waiting[first].id, index: waiting[first].next))
        waiting[first].next += 1
        waiting[first].served += max(1, count)
        room -= count
        if waiting[first].next == waiting[first].counts.count { waiting.remove(at: first) }
      }
      return items
    }
  }

  @Test("takes what a look at all requests would take, whoever comes and goes", arguments: UInt64(0)..<40)
  func order(seed: UInt64) {
    var random = SamplerRandom(seed: seed)
    var batcher = batcher(23, limit: 150)
    var plain = PlainBatcher(stepTokens: 23, limit: 150)
    // Numbers are given before calls come, so that they don't come in their order.
    for id in (UInt64(1)...200).shuffled(using: &random) {
      let texts = Int.random(in: 1...8, using: &random)
      let counts = (0..<texts).map { _ in Int.random(in: 0...12, using: &random) }
      let (isTaken, isExpected) = (batcher.add(id, tokenCounts: counts), plain.add(id, counts))
      #expect(isTaken == isExpected, "seed \(seed), call \(id)")
      if Int.random(in: 0..<4, using: &random) == 0,
        let gone = plain.waiting.indices.randomElement(using: &random)
      {
        batcher.remove(plain.waiting[gone].id)
        plain.waiting.remove(at: gone)
      }
      if Int.random(in: 0..<3, using: &random) > 0 {
        let (step, expected) = (batcher.nextStep(), plain.nextStep())
        #expect(step == expected, "seed \(seed), call \(id)")
      }
      let left = plain.waiting.indices.reduce(0) { $0 + plain.left($1) }
      #expect(batcher.waitingTokens == left && batcher.isEmpty == plain.waiting.isEmpty, "seed \(seed)")
    }
    while !plain.waiting.isEmpty {
      let (step, expected) = (batcher.nextStep(), plain.nextStep())
      #expect(step == expected, "seed \(seed)")
    }
    #expect(batcher.isEmpty, "seed \(seed)")
  }

  @Test("every text is computed exactly once", arguments: 1...20)
  func exactlyOnce(seed: Int) {
    var batcher = batcher(17, limit: 1_000)
    var state = UInt64(seed)
    func number(_ below: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % below
    }
    var expected: Set<EmbeddingBatcher.Item> = []
    var seen: [EmbeddingBatcher.Item] = []
    var complete: Set<UInt64> = []
    for id in UInt64(1)...30 {
      let counts = (0..<1 + number(6)).map { _ in 1 + number(12) }
      let result14 = batcher.add(id, tokenCounts: counts)
      #expect(result14)
      for index in counts.indices { expected.insert(.init(request: id, index: index)) }
      if number(2) == 0 {
        let step = batcher.nextStep()
        seen += step
        complete.formUnion(batcher.finish(step))
      }
    }
    while !batcher.isEmpty {
      let step = batcher.nextStep()
      seen += step
      complete.formUnion(batcher.finish(step))
    }
    #expect(seen.count == expected.count && Set(seen) == expected, "seed \(seed)")
    #expect(complete.count == 30, "seed \(seed)")
  }
}
