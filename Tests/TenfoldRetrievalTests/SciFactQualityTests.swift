// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldCore
import TenfoldRetrieval
import TenfoldStorage
import TenfoldTesting
import Testing

/// A retrieval set in the layout of the evaluation data, in the folder that `TENFOLD_DATA` names.
struct EvaluationSet {
  static let folder = ProcessInfo.processInfo.environment["TENFOLD_DATA"].map { $0 + "/retrieval" }

  static func isPresent(_ name: String) -> Bool {
    guard let folder else { return false }
    return FileManager.default.fileExists(atPath: "\(folder)/\(name)/corpus.jsonl.gz")
  }

  private struct Line: Decodable {
    let id: String
    let title: String?
    let text: String
  }

  let documents: [IndexedDocument]
  let queries: [String: String]
  let judgements: [String: [DocumentID: Int]]

  init(_ name: String, split: String) throws {
    let folder = try #require(Self.folder) + "/" + name
    let decoder = JSONDecoder()
    func lines(_ bytes: [UInt8]) throws -> [Line] {
      try bytes.split(separator: UInt8(ascii: "\n")).map { try decoder.decode(Line.self, from: Data($0)) }
    }
    documents = try lines(Gzip.decompress(contentsOf: folder + "/corpus.jsonl.gz", limit: 1 << 30)).map {
      IndexedDocument(id: DocumentID($0.id), title: $0.title ?? "", text: $0.text)
    }
    let queryBytes = try Array(Data(contentsOf: URL(fileURLWithPath: folder + "/queries.jsonl")))
    queries = Dictionary(
      try lines(queryBytes).map { ($0.id, $0.text) },
      uniquingKeysWith: { first, _ in first }
    )
    var judgements: [String: [DocumentID: Int]] = [:]
    let table = try String(contentsOfFile: "\(folder)/qrels/\(split).tsv", encoding: .utf8)
    for line in table.split(separator: "\n").dropFirst() {
      let cells = line.split(separator: "\t")
      judgements[String(cells[0]), default: [:]][DocumentID(String(cells[1]))] = Int(cells[2])
    }
    self.judgements = judgements
  }

  func index() throws -> (index: InvertedIndex, documents: InMemoryDocuments) {
    let store = InMemoryDocuments()
    let index = InvertedIndex()
    let numbers = store.add(documents)
    try index.add(zip(numbers, documents).map { (number: $0, text: $1.searchableText) })
    return (index, store)
  }

  func metrics(_ retriever: any Retriever) async throws -> RetrievalMetrics {
    var rankings: [String: [DocumentID]] = [:]
    for query in judgements.keys {
      let found = try await retriever.retrieve(RetrievalQuery(queries[query] ?? "", limit: 100))
      rankings[query] = found.passages.map(\.document)
    }
    return RetrievalMetrics(rankings: rankings, judgements: judgements)
  }
}

@Suite("BM25 on evaluation sets")
struct SciFactQualityTests {
  @Test(
    "reaches the published nDCG@10 on SciFact",
    .enabled(
      if: EvaluationSet.isPresent("scifact"),
      "set TENFOLD_DATA to the folder that holds retrieval/scifact"
    )
  )
  func sciFact() async throws {
    let set = try EvaluationSet("scifact", split: "test")
    let (index, store) = try set.index()
    let metrics = try await set.metrics(SparseRetriever(index: index, documents: store))
    print("BM25 scifact/test: nDCG@10 \(metrics.nDCG(at: 10)), recall@100 \(metrics.recall(at: 100))")
    #expect(metrics.queryCount == 300)
    #expect(metrics.nDCG(at: 10) >= 0.66)
    #expect(metrics.recall(at: 100) >= 0.85)
  }

  @Test(
    "parameters on the train split, for choosing defaults",
    .enabled(
      if: ProcessInfo.processInfo.environment["TENFOLD_TUNE"] != nil && EvaluationSet.isPresent("scifact")
    )
  )
  func tuning() async throws {
    let train = try EvaluationSet("scifact", split: "train")
    let (index, store) = try train.index()
    for k1 in [0.9, 1.0, 1.2, 1.5] as [Float] {
      for b in [0.4, 0.5, 0.6, 0.75, 0.9] as [Float] {
        let retriever = SparseRetriever(
          index: index,
          documents: store,
          parameters: try BM25Parameters(k1: k1, b: b)
        )
        print("train k1 \(k1) b \(b): nDCG@10 \(try await train.metrics(retriever).nDCG(at: 10))")
      }
    }
    try await reportTimes(train)
    let pool = try EvaluationSet("dbpedia-pool5k", split: "test")
    let (poolIndex, poolStore) = try pool.index()
    let metrics = try await pool.metrics(SparseRetriever(index: poolIndex, documents: poolStore))
    print("BM25 dbpedia-pool5k/test: nDCG@10 \(metrics.nDCG(at: 10)), recall@100 \(metrics.recall(at: 100))")
  }

  /// Prints how long indexing, saving and opening take; for people, never judged.
  private func reportTimes(_ set: EvaluationSet) async throws {
    let folder = try TestFolder()
    let embedder = HashingTextEmbedder(dimension: 384)
    let clock = ContinuousClock()
    let index = try await SearchIndex.open(folder.file("library"), embedder: embedder)
    print("add \(set.documents.count): \(try await clock.measure { try await index.add(set.documents) })")
    await index.close()
    let unsaved = try await clock.measure {
      let index = try await SearchIndex.open(folder.file("library"), embedder: embedder)
      try await index.commit()
      await index.close()
    }
    print("open without a saved text index, and save it: \(unsaved)")
    var reopened: SearchIndex?
    print(
      "open: \(try await clock.measure { reopened = try await SearchIndex.open(folder.file("library"), embedder: embedder) })"
    )
    let retriever = try #require(try reopened?.retriever())
    let queries = set.queries.values.prefix(200)
    let time = try await clock.measure {
      for query in queries { _ = try await retriever.retrieve(RetrievalQuery(query)) }
    }
    print("hybrid query: \(time / queries.count)")
  }
}
