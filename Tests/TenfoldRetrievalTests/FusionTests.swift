// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import TenfoldRetrieval
import Testing

@Suite("Fusion")
struct FusionTests {
  static func ranking(
    _ generator: inout SeededGenerator,
    from low: Float,
    to high: Float
  ) -> [RetrievedPassage] {
    let count = Int.random(in: 0...20, using: &generator)
    let ids = (0..<30).shuffled(using: &generator).prefix(count)
    return ids.map { passage(DocumentID("d\($0)"), Float.random(in: low...high, using: &generator)) }
      .sorted { $0.score > $1.score }
  }

  @Test("holds every document once, finite and in order", arguments: 1...20 as ClosedRange<UInt64>)
  func properties(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let sparse = Self.ranking(&generator, from: 0, to: 30)
    let dense = Self.ranking(&generator, from: -1, to: 1)
    for method in [FusionMethod.standard, .reciprocalRank, try .convex(denseWeight: 0)] {
      let fused = method.fuse(sparse: sparse, dense: dense)
      #expect(fused.count == Set((sparse + dense).map(\.document)).count, "seed \(seed)")
      #expect(Set(fused.map(\.document)).count == fused.count, "seed \(seed)")
      #expect(fused.allSatisfy { $0.score.isFinite && $0.score >= 0 }, "seed \(seed)")
      #expect(zip(fused, fused.dropFirst()).allSatisfy { $0.score >= $1.score }, "seed \(seed)")
    }
  }

  @Test("with all the weight on one side keeps that side's order", arguments: 1...10 as ClosedRange<UInt64>)
  func pureSides(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let sparse = Self.ranking(&generator, from: 0.1, to: 30)
    let dense = Self.ranking(&generator, from: -0.9, to: 1)
    let pureDense = try FusionMethod.convex(denseWeight: 1).fuse(sparse: sparse, dense: dense)
    #expect(Array(pureDense.map(\.document).prefix(dense.count)) == dense.map(\.document), "seed \(seed)")
    let pureSparse = try FusionMethod.convex(denseWeight: 0).fuse(sparse: sparse, dense: dense)
    #expect(Array(pureSparse.map(\.document).prefix(sparse.count)) == sparse.map(\.document), "seed \(seed)")
  }

  @Test("by reciprocal rank adds 1/(60 + rank)")
  func reciprocalRank() {
    let fused = FusionMethod.reciprocalRank.fuse(
      sparse: [passage("a", 9), passage("b", 8)],
      dense: [passage("b", 0.9), passage("c", 0.8)]
    )
    #expect(fused.map(\.document) == ["b", "a", "c"])
    #expect(abs(fused[0].score - (1 / 62 + 1 / 61)) < 1e-6)
    #expect(abs(fused[1].score - 1 / 61) < 1e-6)
  }

  @Test("by convex combination brings scores to 0...1 from their theoretical minimum")
  func convex() throws {
    let fused = try FusionMethod.convex(denseWeight: 0.75).fuse(
      sparse: [passage("a", 10), passage("b", 5)],
      dense: [passage("b", 0.5), passage("c", -1)]
    )
    #expect(fused.map(\.document) == ["b", "a", "c"])
    #expect(abs(fused[0].score - (0.25 * 0.5 + 0.75)) < 1e-6)
    #expect(abs(fused[1].score - 0.25) < 1e-6)
    #expect(fused[2].score == 0)
  }

  @Test("refuses constants out of range", arguments: [Float.nan, -0.1, 1.1, .infinity])
  func refusals(value: Float) {
    #expect(throws: RetrievalError.self) { try FusionMethod.convex(denseWeight: value) }
    #expect(throws: RetrievalError.self) {
      try FusionMethod.reciprocalRank(constant: value == 1.1 ? 0 : value)
    }
  }
}

@Suite("RetrievalMetrics")
struct RetrievalMetricsTests {
  @Test("agree with values worked out by hand")
  func byHand() {
    let metrics = RetrievalMetrics(
      rankings: ["q1": ["a", "b", "c"], "q2": ["x"], "none": ["a"]],
      judgements: ["q1": ["b": 2, "c": 1, "z": 1, "a": 0], "q2": ["y": 1], "none": ["a": 0]]
    )
    #expect(metrics.queryCount == 2)
    // q1: gains 0, 2/log2(3), 1/2 against 2, 1/log2(3), 1/2; q2: 0.
    let found = 2 / 1.5849625 + 0.5
    let ideal = 2 + 1 / 1.5849625 + 0.5
    #expect(abs(metrics.nDCG(at: 10) - found / ideal / 2) < 1e-6)
    #expect(abs(metrics.recall(at: 10) - (2.0 / 3) / 2) < 1e-9)
    #expect(abs(metrics.recall(at: 2) - (1.0 / 3) / 2) < 1e-9)
    #expect(abs(metrics.reciprocalRank(at: 10) - 0.25) < 1e-9)
    #expect(metrics.reciprocalRank(at: 1) == 0)
  }

  @Test("are 0 without judgements, and a repeated document counts once")
  func edges() {
    #expect(RetrievalMetrics(rankings: [:], judgements: [:]).nDCG(at: 10) == 0)
    let metrics = RetrievalMetrics(rankings: ["q": ["a", "a", "b"]], judgements: ["q": ["a": 1, "b": 1]])
    #expect(abs(metrics.nDCG(at: 2) - 1) < 1e-9)
    for depth in [0, -1, .min] {
      #expect(metrics.nDCG(at: depth) == metrics.nDCG(at: 1))
      #expect(metrics.recall(at: depth) == metrics.recall(at: 1))
      #expect(metrics.reciprocalRank(at: depth) == metrics.reciprocalRank(at: 1))
    }
  }
}
