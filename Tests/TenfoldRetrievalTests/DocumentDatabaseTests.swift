// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import TenfoldTesting
import Testing

@testable import TenfoldRetrieval

@Suite("The documents of a collection")
struct DocumentDatabaseTests {
  /// A collection whose cache of documents is small, and the numbers of its documents of about 1,100 bytes.
  private func collection(
    in folder: TestFolder,
    cacheInBytes: Int,
    _ extra: [IndexedDocument] = []
  ) async throws -> (index: SearchIndex, numbers: [UInt64]) {
    let index = try await SearchIndex.open(
      folder.file("library"),
      embedder: nil,
      options: .init(documentCacheInBytes: cacheInBytes)
    )
    let documents = (0..<50).map {
      IndexedDocument(id: DocumentID("d\($0)"), text: String(repeating: "word ", count: 200))
    }
    try await index.add(documents + extra)
    var numbers: [UInt64] = []
    for document in documents + extra { numbers += try await index.documents.numbers(of: [document.id]) }
    return (index, numbers)
  }

  /// How many of some documents had to be looked up.
  private func lookUps(_ index: SearchIndex, _ numbers: [UInt64]) async throws -> Int {
    let before = index.documents.lookUps
    #expect(try await index.documents.documents(numbers).count == numbers.count)
    return index.documents.lookUps - before
  }

  @Test("what is read is kept, though a scan has filled the cache, and what is read often outlives the scan")
  func scan() async throws {
    let (index, numbers) = try await collection(in: try TestFolder(), cacheInBytes: 10_000)
    for number in numbers { #expect(try await lookUps(index, [number]) == 1) }
    #expect(try await lookUps(index, [numbers[20]]) == 1)
    for number in numbers where number != numbers[20] {
      #expect(try await lookUps(index, [numbers[20]]) == 0)
      _ = try await lookUps(index, [number])
    }
    await index.close()
  }

  @Test("a document that is larger than the cache leaves room for the others")
  func oversized() async throws {
    let large = IndexedDocument(id: "large", text: String(repeating: "word ", count: 3000))
    let (index, numbers) = try await collection(in: try TestFolder(), cacheInBytes: 10_000, [large])
    let some = [numbers[50], numbers[0], numbers[1]]
    #expect(try await lookUps(index, some) == 3)
    #expect(try await lookUps(index, some) == 1)
    await index.close()
  }

  @Test("the cache keeps to its bytes and gives what was put in, whatever comes", arguments: 0..<20)
  func bounded(seed: Int) {
    var generator = SeededGenerator(seed: UInt64(seed))
    var cache = DocumentCache(limit: 5000)
    for step in 0..<2000 {
      let number = UInt64.random(in: 0..<40, using: &generator)
      switch Int.random(in: 0..<4, using: &generator) {
      case 0: cache.remove(number)
      case 1:
        let size = Int.random(in: 0..<(step % 9 == 0 ? 8000 : 900), using: &generator)
        let text = String(repeating: "x", count: size)
        cache.add(IndexedDocument(id: DocumentID("\(number)"), text: text), number: number)
      default:
        let found = cache.find(number)
        #expect(found == nil || found?.id == DocumentID("\(number)"), "seed \(seed), step \(step)")
      }
      #expect(cache.size >= 0 && cache.size <= 5000, "seed \(seed), step \(step)")
    }
    for number in 0..<40 as Range<UInt64> { cache.remove(number) }
    #expect(cache.size == 0, "seed \(seed)")
  }
}
