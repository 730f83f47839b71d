// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization
import TenfoldVectors
import Testing

@testable import TenfoldRetrieval

@Suite("InvertedIndex")
struct InvertedIndexTests {
  /// Splits at blanks, so that the oracle needs no analysis.
  struct BlankAnalyzer: TextAnalyzer {
    var identifier = "blank"
    func terms(in text: String) -> [String] { text.split(separator: " ").map(String.init) }
  }

  /// BM25 as three nested loops over texts.
  static func oracle(_ query: String, _ texts: [UInt64: String], k1: Double, b: Double) -> [UInt64: Double] {
    let documents = texts.mapValues { $0.split(separator: " ") }
    let mean = Double(documents.values.reduce(0) { $0 + $1.count }) / Double(max(1, documents.count))
    var scores: [UInt64: Double] = [:]
    for term in query.split(separator: " ") {
      let holders = documents.values.count { $0.contains(term) }
      let idf = log(1 + (Double(documents.count - holders) + 0.5) / (Double(holders) + 0.5))
      for (number, words) in documents {
        let frequency = Double(words.count { $0 == term })
        guard frequency > 0 else { continue }
        let norm = k1 * (1 - b + b * Double(words.count) / mean)
        scores[number, default: 0] += idf * frequency / (frequency + norm)
      }
    }
    return scores
  }

  static func expectOracle(
    _ index: InvertedIndex,
    _ texts: [UInt64: String],
    _ generator: inout SeededGenerator,
    seed: UInt64
  ) async throws {
    let parameters = try BM25Parameters(k1: 1.1, b: 0.6)
    for _ in 0..<5 {
      let query = text(&generator, length: 4)
      let expected = oracle(query, texts, k1: 1.1, b: 0.6)
      let found = try await index.search(query, limit: 10_000, parameters: parameters).matches
      #expect(Set(found.map(\.number)) == Set(expected.keys), "seed \(seed), query \(query)")
      for match in found {
        #expect(
          abs(Double(match.score) - (expected[match.number] ?? -1)) < 1e-4,
          "seed \(seed), query \(query)"
        )
      }
      for (better, worse) in zip(found, found.dropFirst()) {
        #expect(better.score > worse.score || (better.score == worse.score && better.number < worse.number))
      }
      let three = try await index.search(query, limit: 3, parameters: parameters).matches
      #expect(three == Array(found.prefix(3)))
    }
  }

  static func text(_ generator: inout SeededGenerator, length: Int) -> String {
    // Squared, so that some terms are in most documents and some in few.
    (0..<length).map { _ in
      let number = Double.random(in: 0..<1, using: &generator)
      return "t\(Int(number * number * 60))"
    }.joined(separator: " ")
  }

  @Test(
    "scores as three nested loops do, through adds, replacements, removals, merges and reopening",
    arguments: 1...4
  )
  func matchesOracle(seed: UInt64) async throws {
    var generator = SeededGenerator(seed: seed)
    let folder = try TestFolder()
    let options = InvertedIndex.Options(
      analyzer: BlankAnalyzer(),
      mergeFactor: Int.random(in: 2...5, using: &generator)
    )
    var index = InvertedIndex(options: options)
    var texts: [UInt64: String] = [:]
    for round in 0..<12 {
      let batch = (0..<Int.random(in: 1...60, using: &generator)).map { _ in
        (
          number: UInt64.random(in: 0..<400, using: &generator),
          text: Self.text(&generator, length: Int.random(in: 0...40, using: &generator))
        )
      }
      try index.add(batch)
      for item in batch { texts[item.number] = item.text }
      let gone = (0..<10).map { _ in UInt64.random(in: 0..<400, using: &generator) }
      try index.remove(gone)
      for number in gone { texts[number] = nil }
      #expect(index.count == texts.count)
      try await Self.expectOracle(index, texts, &generator, seed: seed)
      if round % 4 == 3 {
        try index.save(to: folder.file("index"), watermark: UInt64(round))
        let opened = try #require(try InvertedIndex.open(folder.file("index"), options: options))
        #expect(opened.watermark == UInt64(round))
        #expect(opened.index.epoch == index.epoch)
        index = opened.index
        try await Self.expectOracle(index, texts, &generator, seed: seed)
      }
    }
    #expect(index.segmentCount < 30)
  }

  @Test("changes don't wait for a save that is under way")
  func savingElsewhere() async throws {
    let index = InvertedIndex()
    try index.add([(number: 1, text: "alpha")])
    // As long as this is held somebody is writing to the disk.
    try index.saved.withLock { _ in
      try index.add([(number: 2, text: "alpha")])
      _ = try index.remove([1])
    }
    #expect(try await index.search("alpha", limit: 9).matches.map(\.number) == [2])
  }

  @Test("filters by number and stops at the limit")
  func filter() async throws {
    let index = InvertedIndex()
    try index.add((1...200).map { (number: UInt64($0), text: "fever number \($0)") })
    let found = try await index.search("fevers", limit: 5, filter: [7, 90, 5000]).matches
    #expect(found.map(\.number) == [7, 90])
    #expect(try await index.search("fever", limit: 5).matches.map(\.number) == [1, 2, 3, 4, 5])
    #expect(try await index.search("fever", limit: 5, filter: []).matches.isEmpty)
  }

  @Test(
    "finds nothing for an empty query, in an empty index, and for unknown words",
    arguments: ["", "  ", "zebra", "the"]
  )
  func nothing(query: String) async throws {
    let index = InvertedIndex()
    #expect(try await index.search(query, limit: 5).matches.isEmpty)
    try index.add([(number: 1, text: "fever"), (number: 2, text: "")])
    #expect(try await index.search(query, limit: 5).matches.isEmpty)
    #expect(index.count == 2)
  }

  @Test("refuses constants and limits out of range")
  func options() async throws {
    for (k1, b) in [(Float.nan, Float(0.5)), (-1, 0.5), (1, .nan), (1, 1.5), (1, -0.1), (.infinity, 0.5)] {
      #expect {
        try BM25Parameters(k1: k1, b: b)
      } throws: { ($0 as? RetrievalError)?.code == .invalidOption }
    }
    await #expect {
      try await InvertedIndex().search("a", limit: 0)
    } throws: { ($0 as? RetrievalError)?.code == .invalidOption }
  }
}
