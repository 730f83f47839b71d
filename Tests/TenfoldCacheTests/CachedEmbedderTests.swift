// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import TenfoldCore
import TenfoldTesting
import Testing

@testable import TenfoldCache

/// Notes what it was asked for; fails when it is told to.
private final class CountingEmbedder: TextEmbedder {
  struct Broken: Error {}
  let profile: EmbedderProfile
  private let inner = HashingTextEmbedder()
  private let calls = Mutex<[[String]]>([])
  private let isBroken = Mutex(false)

  init() { profile = inner.profile }
  var asked: [[String]] { calls.withLock(\.self) }
  func breakDown(_ value: Bool) { isBroken.withLock { $0 = value } }

  func embed(_ texts: [String]) async throws -> EmbeddingBatch {
    calls.withLock { $0.append(texts) }
    if isBroken.withLock(\.self) { throw Broken() }
    return try await inner.embed(texts)
  }
}

@Suite("An embedder that remembers")
struct CachedEmbedderTests {
  @Test(
    "keeps the contract of an embedder, with room for all vectors, for few or for none",
    arguments: [64 << 20, 4_000, 0]
  )
  func contract(bytes: Int) async {
    let violations = await TextEmbedderContract.violations {
      CachedEmbedder(HashingTextEmbedder(), bytes: bytes)
    }
    #expect(violations == [])
  }

  @Test("asks only for texts it doesn't know, each once, and gives the same bits")
  func hits() async throws {
    let inner = CountingEmbedder()
    let embedder = CachedEmbedder(inner)
    let expected = try await HashingTextEmbedder().embed(["a", "b", "a", "c", "b"])
    let first = try await embedder.embed(["a", "b", "a"])
    let second = try await embedder.embed(["a", "b", "a", "c", "b"])
    #expect(inner.asked == [["a", "b"], ["c"]])
    #expect(second.values == expected.values && second.tokenCounts == expected.tokenCounts)
    #expect(first.values == Array(expected.values.prefix(first.values.count)))
    let statistics = embedder.statistics
    #expect(statistics.hits == 4 && statistics.misses == 4 && statistics.entries == 3)
    #expect(statistics.insertions == 3 && statistics.bytes <= statistics.capacityInBytes)
    embedder.removeAll()
    _ = try await embedder.embed(["a"])
    #expect(inner.asked.last == ["a"] && embedder.statistics.invalidations == 3)
  }

  @Test("remembers what it knew after a failure, and nothing of the call that failed")
  func failure() async throws {
    let inner = CountingEmbedder()
    let embedder = CachedEmbedder(inner)
    _ = try await embedder.embed(["a"])
    inner.breakDown(true)
    await #expect(throws: CountingEmbedder.Broken.self) { try await embedder.embed(["a", "b"]) }
    _ = try await embedder.embed(["a"])
    inner.breakDown(false)
    _ = try await embedder.embed(["a", "b"])
    #expect(inner.asked == [["a"], ["b"], ["b"]])
  }

  @Test("keeps the vectors used last, as a plain list would", arguments: 1...20)
  func leastRecentlyUsed(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    let capacity = Int.random(in: 0...6, using: &random)
    var table = VectorTable(dimension: 2, capacity: capacity)
    /// The oldest first.
    var list: [(key: ContentDigest, value: Float)] = []
    for step in 0..<500 {
      let name = Int.random(in: 0..<10, using: &random)
      let key = ContentDigest(of: [UInt8(name)])
      let place = list.firstIndex { $0.key == key }
      let found = table.find(key).map { Array($0.vector) }
      #expect(found == place.map { [list[$0].value, 7] }, "seed \(seed), step \(step)")
      if let place {
        list.append(list.remove(at: place))
      } else {
        let value = Float(step)
        let evicts = table.insert(key, [value, 7], .init(tokenCount: step, isTruncated: false))
        #expect(evicts == (capacity > 0 && list.count == capacity), "seed \(seed), step \(step)")
        if capacity > 0 {
          if list.count == capacity { list.removeFirst() }
          list.append((key, value))
        }
      }
      #expect(table.count == list.count && table.count <= capacity, "seed \(seed), step \(step)")
      if Int.random(in: 0..<100, using: &random) == 0 {
        table.removeAll()
        list = []
      }
    }
  }
}
