// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import TenfoldStorage
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

  @Test("a hybrid search resolves its filter once, and once only until a document changes")
  func filters() async throws {
    let folder = try TestFolder()
    let index = try await SearchIndex.open(folder.file("library"), embedder: HashingTextEmbedder())
    let documents = RetrieverContract.documents.map {
      IndexedDocument(id: $0.id, title: $0.title, text: $0.text)
    }
    try await index.add(documents)
    let retriever = try index.retriever()
    func search(_ allowed: [DocumentID]?) async throws -> (lookUps: Int, found: Set<DocumentID>) {
      let before = index.documents.lookUps
      let query = try RetrievalQuery("what lowers fever", allowedDocuments: allowed.map { Set($0) })
      let found = try await retriever.retrieve(query)
      #expect(!found.isPartial)
      return (index.documents.lookUps - before, Set(found.passages.map(\.document)))
    }
    // Dense search finds everything, so all documents are in memory afterwards.
    #expect(try await search(nil).found.count == documents.count)
    let allowed = Array(documents.map(\.id).prefix(3)) + ["unknown"]
    for lookUps in [4, 0] {
      let result = try await search(allowed)
      #expect(result.lookUps == lookUps)
      #expect(result.found == Set(allowed.prefix(3)))
    }
    #expect(try await search(allowed.reversed()).lookUps == 0)
    #expect(try await search(Array(allowed.prefix(2))).found == Set(allowed.prefix(2)))
    // A document that comes with the id that was unknown is found from then on.
    try await index.add([IndexedDocument(id: "unknown", text: "what lowers fever")])
    let added = try await search(allowed)
    #expect(added.found == Set(allowed))
    try await index.remove(["unknown"])
    let removed = try await search(allowed)
    #expect(removed.lookUps == 4 && removed.found == Set(allowed.prefix(3)))
    await index.close()
  }

  @Test("vectors are not read where only texts are asked for, nor texts where only ids are")
  func columns() async throws {
    let folder = try TestFolder()
    let index = try await SearchIndex.open(folder.file("library"), embedder: HashingTextEmbedder())
    try await index.add([IndexedDocument(id: "a", title: "A", text: "one", metadata: ["k": "v"])])
    let numbers = try await index.documents.numbers(of: ["a"]).sorted()
    // What can't be a vector would be an error if it were read.
    let database = try await SQLiteDatabase.open(
      .file(folder.file("library/documents.sqlite")),
      schemas: [StoredDocument.schema]
    )
    try await database.write { tx in try tx.execute("UPDATE document SET vector = x'010203'") }
    await database.close()
    #expect(try await index.contained(["a", "b"]) == ["a"])
    // The text was not in memory yet.
    #expect(try await lookUps(index, numbers) == 1)
    #expect(try await index.documents.documents(numbers).values.first?.metadata == ["k": "v"])
    #expect(try await index.document("a")?.text == "one")
    await #expect(throws: RetrievalError.self) {
      try await index.documents.page(after: 0, changedSince: 0, limit: 1)
    }
    await index.close()
  }

  @Test("one who fails to resolve a filter leaves it to those who waited for it")
  func failedResolution() async throws {
    struct Failure: Error {}
    let known = DocumentNumbers()
    let begun = WatchedState(0)
    let isReleased = WatchedState(false)
    let results = try await withThrowingTaskGroup(of: Set<UInt64>?.self) { group in
      group.addTask {
        try? await known.numbers(of: ["a"]) {
          begun.withLock { $0 += 1 }
          await isReleased.wait { $0 }
          throw Failure()
        }
      }
      await begun.wait { $0 == 1 }
      group.addTask { try await known.numbers(of: ["a"]) { [1] } }
      isReleased.withLock { $0 = true }
      var results: [Set<UInt64>?] = []
      for try await result in group { results.append(result) }
      return results
    }
    #expect(Set(results) == [nil, [1]])
    #expect(try await known.numbers(of: ["a", "b"]) { [1, 2] } == [1, 2])
    #expect(try await known.numbers(of: ["a", "b"]) { throw Failure() } == [1, 2])
    known.invalidate()
    #expect(try await known.numbers(of: ["a", "b"]) { [1, 3] } == [1, 3])
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
