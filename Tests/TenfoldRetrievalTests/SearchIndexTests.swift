// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldCore
import TenfoldRetrieval
import TenfoldStorage
import TenfoldTesting
import TenfoldVectors
import Testing

/// Gives some texts a vector of NaN.
struct FaultyEmbedder: TextEmbedder {
  let inner = HashingTextEmbedder(dimension: 32)
  var profile: EmbedderProfile { inner.profile }

  func embed(_ texts: [String]) async throws -> EmbeddingBatch {
    let good = try await inner.embed(texts)
    var values = good.values
    for (row, text) in texts.enumerated() where text.contains("broken") { values[row * 32] = .nan }
    return EmbeddingBatch(
      values: values,
      dimension: 32,
      tokenCounts: good.tokenCounts,
      isTruncated: good.isTruncated
    )
  }
}

@Suite("SearchIndex")
struct SearchIndexTests {
  let embedder = HashingTextEmbedder(dimension: 256)

  var documents: [IndexedDocument] {
    RetrieverContract.documents.map {
      IndexedDocument(id: $0.id, title: $0.title, text: $0.text, metadata: ["kind": "test"])
    }
  }

  func found(_ index: SearchIndex, _ text: String) async throws -> [DocumentID] {
    try await index.retriever().retrieve(RetrievalQuery(text)).passages.map(\.document)
  }

  @Test("its retrievers keep the contract", arguments: [true, false])
  func contract(withEmbedder: Bool) async {
    let violations = await RetrieverContract.violations { documents in
      let folder = try TestFolder()
      let index = try await SearchIndex.open(folder.file("library"), embedder: withEmbedder ? embedder : nil)
      try await index.add(documents.map { IndexedDocument(id: $0.id, title: $0.title, text: $0.text) })
      return try index.retriever()
    }
    #expect(violations.isEmpty, "\(violations)")
  }

  @Test("what was acknowledged is there after opening again, saved or not", arguments: [true, false])
  func reopening(commits: Bool) async throws {
    let folder = try TestFolder()
    var index = try await SearchIndex.open(folder.file("library"), embedder: embedder)
    #expect(index.count == 0)
    let report = try await index.add(documents)
    #expect(report.documentCount == 5)
    if commits { try await index.commit() }
    try await index.add([
      IndexedDocument(id: "bread", title: "Bread", text: "Bread is baked in ovens of clay.")
    ])
    #expect(try await index.remove(["volcano", "unknown"]) == 1)
    let epoch = index.epoch
    let before = try await found(index, "ovens of clay")
    // A copy of the files as they are, not closed: as after a kill.
    try FileManager.default.copyItem(atPath: folder.file("library"), toPath: folder.file("copy"))
    await index.close()
    index = try await SearchIndex.open(folder.file("copy"), embedder: embedder)
    #expect(index.count == 4)
    #expect(index.repairs.isEmpty)
    #expect(index.epoch >= epoch)
    #expect(try await found(index, "ovens of clay") == before)
    #expect(try await found(index, "ovens of clay").first == "bread")
    #expect(try await found(index, "volcano ash lava").contains("volcano") == false)
    #expect(try await index.document("aspirin")?.metadata == ["kind": "test"])
    #expect(try await index.contained(["aspirin", "volcano", "x"]) == ["aspirin"])
    await index.close()
    await #expect { try await index.add(documents) } throws: { ($0 as? RetrievalError)?.code == .closed }
  }

  @Test("adding the same documents again changes nothing but the epoch")
  func idempotent() async throws {
    let folder = try TestFolder()
    let index = try await SearchIndex.open(folder.file("library"), embedder: embedder)
    try await index.add(documents)
    let first = try await index.retriever().retrieve(RetrievalQuery("fever pain")).passages
    let epoch = index.epoch
    try await index.add(documents + documents)
    #expect(index.count == 5)
    #expect(index.epoch > epoch)
    let second = try await index.retriever().retrieve(RetrievalQuery("fever pain")).passages
    #expect(first.map(\.document) == second.map(\.document))
    #expect(zip(first, second).allSatisfy { abs($0.score - $1.score) < 1e-5 })
  }

  @Test("many writers at once lose nothing, and a save in between misses nothing")
  func concurrentWriters() async throws {
    let folder = try TestFolder()
    let index = try await SearchIndex.open(folder.file("library"), embedder: nil)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for writer in 0..<8 {
        group.addTask {
          for round in 0..<5 {
            // Every writer changes the shared document too.
            try await index.add([
              IndexedDocument(id: DocumentID("w\(writer)-\(round)"), text: "alpha w\(writer)"),
              IndexedDocument(id: "shared", text: "version\(writer)x\(round)"),
            ])
            if writer == 0 { try await index.commit() }
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(index.count == 41)
    let shared = try await index.document("shared")
    let text = try #require(shared?.text)
    #expect(try await found(index, text) == ["shared"])
    await index.close()
    let opened = try await SearchIndex.open(folder.file("library"), embedder: nil)
    #expect(opened.count == 41)
    #expect(try await found(opened, text) == ["shared"])
    #expect(try await found(opened, "w3").count == 5)
  }

  @Test("another model's collection is refused, naming both")
  func modelMismatch() async throws {
    let folder = try TestFolder()
    let index = try await SearchIndex.open(folder.file("library"), embedder: embedder)
    try await index.add(documents)
    await index.close()
    for other in [HashingTextEmbedder(dimension: 64), nil] {
      await #expect {
        _ = try await SearchIndex.open(folder.file("library"), embedder: other)
      } throws: { error in
        guard let error = error as? RetrievalError else { return false }
        return error.code == .modelMismatch && error.indexModel?.dimension == 256
          && error.currentModel?.dimension == other?.profile.dimension
      }
    }
    #expect(try await SearchIndex.open(folder.file("library"), embedder: embedder).count == 5)
  }

  @Test("a damaged or foreign text index is built again and reported")
  func repairs() async throws {
    let folder = try TestFolder()
    let index = try await SearchIndex.open(folder.file("library"), embedder: embedder)
    try await index.add(documents)
    try await index.commit()
    await index.close()
    var segment = try folder.bytes("library/terms/segment-1")
    segment[segment.count - 1] ^= 1
    try folder.write(segment, "library/terms/segment-1")
    let repaired = try await SearchIndex.open(folder.file("library"), embedder: embedder)
    #expect(repaired.repairs.first?.contains("segment-1") == true)
    #expect(repaired.count == 5)
    #expect(try await found(repaired, "steel cables bridge").first == "bridge")
    try await repaired.commit()
    await repaired.close()
    let healthy = try await SearchIndex.open(folder.file("library"), embedder: embedder)
    #expect(healthy.repairs.isEmpty)
    await healthy.close()
    var options = SearchIndex.Options()
    options.analyzer = EnglishAnalyzer(stems: false)
    let foreign = try await SearchIndex.open(folder.file("library"), embedder: embedder, options: options)
    #expect(foreign.repairs.count == 1)
    #expect(foreign.count == 5)
  }

  @Test("a text index from before a restore never passes for that of the documents after it")
  func restoredDocuments() async throws {
    let folder = try TestFolder()
    func open() async throws -> SearchIndex {
      try await SearchIndex.open(folder.file("library"), embedder: nil)
    }
    func add(_ words: [String]) async throws {
      let index = try await open()
      for word in words { try await index.add([IndexedDocument(id: DocumentID(word), text: word)]) }
      if words.contains("zebra") { try await index.commit() }
      await index.close()
    }
    try await add(["apple"])
    try FileManager.default.copyItem(
      atPath: folder.file("library/documents.sqlite"),
      toPath: folder.file("backup")
    )
    try await add(["zebra", "yak"])
    for file in try FileManager.default.contentsOfDirectory(atPath: folder.file("library"))
    where file.hasPrefix("documents.sqlite") {
      try FileManager.default.removeItem(atPath: folder.file("library/\(file)"))
    }
    try FileManager.default.copyItem(
      atPath: folder.file("backup"),
      toPath: folder.file("library/documents.sqlite")
    )
    let restored = try await open()
    #expect(restored.repairs.count == 1 && restored.count == 1)
    await restored.close()
    // As many changes as there were, and more; their documents have the numbers of those that are lost.
    try await add(["bear", "cow", "dog"])
    let later = try await open()
    #expect(later.count == 4)
    #expect(try await found(later, "zebra").isEmpty)
    for word in ["apple", "bear", "cow", "dog"] {
      #expect(try await found(later, word) == [DocumentID(word)], "\(word)")
    }
  }

  @Test("a text index that was saved beside the first addition forgets what is removed later")
  func unmarkedTextIndex() async throws {
    let folder = try TestFolder()
    var index = try await SearchIndex.open(folder.file("library"), embedder: nil)
    try await index.add([IndexedDocument(id: "a", text: "apple"), IndexedDocument(id: "b", text: "bear")])
    await index.close()
    let terms = InvertedIndex()
    try terms.add([(1, "apple"), (2, "bear")])
    try terms.save(to: folder.file("library/terms"), watermark: 0)
    index = try await SearchIndex.open(folder.file("library"), embedder: nil)
    #expect(index.repairs.isEmpty && index.count == 2)
    try await index.remove(["a"])
    await index.close()
    index = try await SearchIndex.open(folder.file("library"), embedder: nil)
    #expect(index.repairs.isEmpty && index.count == 1)
    #expect(try await found(index, "apple").isEmpty)
  }

  @Test("once it is closed nothing is saved any more")
  func committingClosed() async throws {
    let folder = try TestFolder()
    let index = try await SearchIndex.open(folder.file("library"), embedder: nil)
    try await index.add(documents)
    try await index.commit()
    let saved = try folder.bytes("library/terms/manifest")
    try await index.add([IndexedDocument(id: "late", text: "late")])
    await index.close()
    await #expect { try await index.commit() } throws: { ($0 as? RetrievalError)?.code == .closed }
    #expect(try folder.bytes("library/terms/manifest") == saved)
  }

  @Test("documents are told apart by the bytes of their ids")
  func idBytes() async throws {
    let folder = try TestFolder()
    let index = try await SearchIndex.open(folder.file("library"), embedder: nil)
    let (composed, decomposed) = (DocumentID("caf\u{e9}"), DocumentID("cafe\u{301}"))
    #expect(composed != decomposed && (decomposed < composed) != (composed < decomposed))
    try await index.add([
      IndexedDocument(id: composed, text: "espresso"), IndexedDocument(id: decomposed, text: "cappuccino"),
    ])
    #expect(index.count == 2)
    #expect(try await index.document(composed)?.text == "espresso")
    let both = try await index.retriever().retrieve(RetrievalQuery("espresso cappuccino")).passages
    #expect(Set(both.map(\.document)) == [composed, decomposed])
    #expect(try await index.remove([decomposed]) == 1 && index.count == 1)
  }

  @Test("a newer format is refused and nothing is rewritten")
  func futureFormat() async throws {
    let folder = try TestFolder()
    let index = try await SearchIndex.open(folder.file("library"), embedder: embedder)
    try await index.add(documents)
    try await index.commit()
    await index.close()
    try SectionFile.write(folder.file("library/terms/manifest"), magic: "TFINVIDX", version: 7, sections: [])
    let before = try folder.bytes("library/terms/manifest")
    await #expect { try await SearchIndex.open(folder.file("library"), embedder: embedder) } throws: {
      ($0 as? RetrievalError)?.code == .futureFormat
    }
    #expect(try folder.bytes("library/terms/manifest") == before)
  }

  @Test("a full disk refuses additions with a typed error while searches go on")
  func storageFull() async throws {
    let folder = try TestFolder()
    var options = SearchIndex.Options()
    options.maximumSizeInBytes = 128 << 10
    let index = try await SearchIndex.open(folder.file("library"), embedder: embedder, options: options)
    try await index.add(documents)
    let big = (0..<20).map {
      IndexedDocument(id: DocumentID("big\($0)"), text: String(repeating: "filler ", count: 4000))
    }
    await #expect { try await index.add(big) } throws: { ($0 as? RetrievalError)?.code == .storageFull }
    #expect(index.count == 5)
    #expect(try await found(index, "steel cables bridge").first == "bridge")
    try await index.add([IndexedDocument(id: "small", text: "room for a small one")])
    #expect(try await found(index, "small one").contains("small"))
  }

  @Test("a document whose vector is unusable is kept, found by words, and reported")
  func unusableVector() async throws {
    let folder = try TestFolder()
    let index = try await SearchIndex.open(folder.file("library"), embedder: FaultyEmbedder())
    let report = try await index.add([
      IndexedDocument(id: "good", text: "fever"), IndexedDocument(id: "bad", text: "broken fever"),
    ])
    #expect(report.documentCount == 2)
    #expect(report.withoutVector == ["bad"])
    let passages = try await index.retriever().retrieve(RetrievalQuery("fever")).passages
    #expect(Set(passages.map(\.document)) == ["good", "bad"])
    #expect(passages.allSatisfy { $0.score.isFinite })
    await index.close()
    let reopened = try await SearchIndex.open(folder.file("library"), embedder: FaultyEmbedder())
    #expect(try await found(reopened, "fever").count == 2)
  }

  @Test(
    "a collection that is open can't be opened again until it is closed, or nobody uses it any more",
    .timeLimit(.minutes(10))
  )
  func inUse() async throws {
    let folder = try TestFolder()
    func open() async throws -> SearchIndex {
      try await SearchIndex.open(folder.file("library"), embedder: nil)
    }
    func expectInUse() async {
      await #expect { try await open() } throws: { ($0 as? RetrievalError)?.code == .inUse }
    }
    var index: SearchIndex? = try await open()
    try await index?.add(documents)
    await expectInUse()
    // A retriever alone keeps it open too.
    var retriever: (any Retriever)? = try index?.retriever()
    index = nil
    await expectInUse()
    #expect(try await retriever?.retrieve(RetrievalQuery("fever")).passages.isEmpty == false)
    retriever = nil
    // A thread that worked for it may be about to let go of it.
    var opened: SearchIndex?
    while opened == nil {
      do { opened = try await open() } catch let error as RetrievalError where error.code == .inUse {
        await Task.yield()
      }
    }
    let second = try #require(opened)
    #expect(second.count == 5)
    await second.close()
    await second.close()
    let third = try await open()
    await third.close()
  }

  @Test("refuses ids and options out of range")
  func refusals() async throws {
    let folder = try TestFolder()
    let index = try await SearchIndex.open(folder.file("library"), embedder: nil)
    for id in ["", String(repeating: "x", count: 1025)] {
      await #expect { try await index.add([IndexedDocument(id: DocumentID(id), text: "a")]) } throws: {
        ($0 as? RetrievalError)?.code == .invalidOption
      }
    }
    await #expect {
      try await SearchIndex.open(folder.file("other"), embedder: nil, options: .init(embeddingBatchSize: 0))
    } throws: { ($0 as? RetrievalError)?.code == .invalidOption }
  }
}
