// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import TenfoldTesting
import TenfoldVectors
import Testing

@Suite("ExactVectorIndex")
struct ExactVectorIndexTests {
  static let formats: [ExactVectorIndex.Options.RowFormat] = [.float32, .int8]

  @Test("keeps the contract", arguments: formats)
  func contract(format: ExactVectorIndex.Options.RowFormat) async {
    let violations = await VectorIndexContract.violations(tolerance: format == .int8 ? 0.01 : 1e-4) {
      try ExactVectorIndex(profile: $0, options: .init(rowFormat: format))
    }
    #expect(violations.isEmpty, "\(violations)")
  }

  @Test(
    "finds what a sort of all cosines finds, through adds, replacements and removals",
    arguments: [1, 7, 384]
  )
  func matchesOracle(dimension: Int) async throws {
    let seed = UInt64(dimension)
    var generator = SeededGenerator(seed: seed)
    func vector() -> [Float] {
      (0..<dimension).map { _ in Float.random(in: -1...1, using: &generator) + 0.001 }
    }
    let profile = EmbedderProfile(id: "test", dimension: dimension, maxTokens: 1)
    let index = try ExactVectorIndex(profile: profile)
    var model: [UInt64: [Float]] = [:]
    for _ in 0..<12 {
      let added = (0..<200).map { _ in
        IdentifiedVector(id: UInt64.random(in: 0..<1500, using: &generator), values: vector())
      }
      try index.add(added)
      for item in added { model[item.id] = item.values }
      let gone = (0..<60).map { _ in UInt64.random(in: 0..<1500, using: &generator) }
      index.remove(gone)
      for id in gone { model[id] = nil }
    }
    #expect(index.count == model.count)
    let query = vector()
    let found = try await index.search(query, limit: 20)
    let expected = model.map { (id: $0.key, score: cosine($0.value, query)) }
      .sorted { $0.score != $1.score ? $0.score > $1.score : $0.id < $1.id }
    for (match, best) in zip(found, expected) {
      #expect(abs(Double(match.score) - best.score) < 1e-4, "seed \(seed)")
      let exact = try #require(model[match.id])
      #expect(abs(Double(match.score) - cosine(exact, query)) < 1e-4, "seed \(seed)")
    }
    #expect(found.count == min(20, model.count))
    let all = try await index.search(query, limit: 10_000)
    #expect(Set(all.map(\.id)) == Set(model.keys), "seed \(seed)")
  }

  @Test("a search of 2,100 rows reports the bytes it read", arguments: formats)
  func reportsBytes(format: ExactVectorIndex.Options.RowFormat) async throws {
    let profile = EmbedderProfile(id: "test", dimension: 16, maxTokens: 1)
    let index = try ExactVectorIndex(profile: profile, options: .init(rowFormat: format))
    try index.add(
      (0..<2100).map { IdentifiedVector(id: $0, values: [Float](repeating: Float($0 + 1), count: 16)) }
    )
    let result = try await index.search([[Float](repeating: 1, count: 16)], limit: 1, filter: .all)
    #expect(result.scannedBytes == 2100 * (format == .int8 ? 20 : 64))
    #expect(result.matches.first?.first?.score ?? 0 > 0.99)
  }

  @Test("a cancelled search stops", arguments: [.all, .only(Set(0..<2000))] as [VectorFilter])
  func cancellation(filter: VectorFilter) async throws {
    let profile = EmbedderProfile(id: "test", dimension: 384, maxTokens: 1)
    let index = try ExactVectorIndex(profile: profile)
    try index.add((0..<8192).map { IdentifiedVector(id: $0, values: [Float](repeating: 1, count: 384)) })
    let outcome = await withTaskGroup(of: Bool.self) { group in
      group.cancelAll()
      group.addTask {
        do {
          let queries = [[Float]](repeating: [Float](repeating: 1, count: 384), count: 64)
          _ = try await index.search(queries, limit: 1, filter: filter)
          return false
        } catch { return error is CancellationError }
      }
      return await group.next() ?? false
    }
    #expect(outcome)
  }

  @Test("counts what it rejects")
  func countsRejected() throws {
    let index = try ExactVectorIndex(profile: EmbedderProfile(id: "test", dimension: 2, maxTokens: 1))
    try index.add([IdentifiedVector(id: 1, values: [.nan, 1]), IdentifiedVector(id: 2, values: [0, 0])])
    try index.add([IdentifiedVector(id: 1, values: [-.infinity, 1])])
    #expect(index.rejectedCount == 3)
    #expect(index.count == 0)
  }

  @Test("refuses a dimension out of range", arguments: [0, -1, 131_072, Int.max])
  func refusesDimension(dimension: Int) {
    #expect {
      try ExactVectorIndex(profile: EmbedderProfile(id: "test", dimension: dimension, maxTokens: 1))
    } throws: { ($0 as? VectorIndexError)?.code == .invalidOption }
  }
}

func cosine(_ lhs: [Float], _ rhs: [Float]) -> Double {
  func dot(_ a: [Float], _ b: [Float]) -> Double { zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) } }
  return dot(lhs, rhs) / (dot(lhs, lhs) * dot(rhs, rhs)).squareRoot()
}
