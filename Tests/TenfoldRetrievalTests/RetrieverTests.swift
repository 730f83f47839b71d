// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import TenfoldRetrieval
import TenfoldTesting
import TenfoldVectors
import Testing

/// Ways to search one small collection, each a retriever.
enum RetrieverKind: String, CaseIterable, Sendable {
  case sparse
  case dense
  case hybrid
  case reciprocal
  case reranked
  case cached

  func make(_ documents: [RetrieverContract.Document]) async throws -> any Retriever {
    let embedder = HashingTextEmbedder(dimension: 256)
    let store = InMemoryDocuments()
    let index = InvertedIndex()
    let vectors = try ExactVectorIndex(profile: embedder.profile)
    let indexed = documents.map { IndexedDocument(id: $0.id, title: $0.title, text: $0.text) }
    let numbers = store.add(indexed)
    try index.add(Array(zip(numbers, indexed)).map { (number: $0, text: $1.searchableText) })
    let batch = try await embedder.embed(indexed.map(\.searchableText))
    try vectors.add(numbers.indices.map { IdentifiedVector(id: numbers[$0], values: batch.vector(at: $0)) })
    let sparse = SparseRetriever(index: index, documents: store)
    let dense = try DenseRetriever(index: vectors, documents: store, embedder: embedder)
    switch self {
    case .sparse: return sparse
    case .dense: return dense
    case .hybrid: return try HybridRetriever(sparse: sparse, dense: dense)
    case .reciprocal:
      return try HybridRetriever(sparse: sparse, dense: dense, options: .init(fusion: .reciprocalRank))
    case .reranked:
      let reranker = try DenseReranker(embedder: embedder, index: vectors, documents: store)
      return try RerankingRetriever(sparse, reranker: reranker)
    case .cached: return CachedRetriever(sparse, epoch: { index.epoch })
    }
  }
}

/// Always answers the same, or fails.
struct FixedRetriever: Retriever {
  struct Failure: Error {}
  var passages: [RetrievedPassage]?

  func retrieve(_ query: RetrievalQuery) async throws -> RetrievalResult {
    guard let passages else { throw Failure() }
    return RetrievalResult(passages: Array(passages.prefix(query.limit)), answeredBy: "fixed", epoch: 1)
  }
}

func passage(_ id: DocumentID, _ score: Float) -> RetrievedPassage {
  RetrievedPassage(document: id, text: "text of \(id)", score: score)
}

@Suite("Retrievers")
struct RetrieverTests {
  @Test("keep the contract", arguments: RetrieverKind.allCases)
  func contract(kind: RetrieverKind) async {
    let violations = await RetrieverContract.violations { try await kind.make($0) }
    #expect(violations.isEmpty, "\(violations)")
  }

  @Test("the contract notices a retriever that breaks it")
  func contractBites() async {
    let violations = await RetrieverContract.violations { _ in
      FixedRetriever(passages: [passage("a", 1), passage("b", .nan), passage("a", 3)])
    }
    #expect(violations.contains { $0.clause.contains("scores are finite") })
    #expect(violations.contains { $0.clause.contains("blank") })
    #expect(violations.contains { $0.clause.contains("a document comes once") })
  }

  @Test("rerankers keep the contract", arguments: [true, false])
  func rerankerContract(stored: Bool) async {
    let violations = await RerankerContract.violations {
      let embedder = HashingTextEmbedder(dimension: 256)
      guard stored else { return DenseReranker(embedder: embedder) }
      let vectors = try ExactVectorIndex(profile: embedder.profile)
      let store = InMemoryDocuments()
      let known = RetrieverContract.documents.dropLast(2).map {
        IndexedDocument(id: $0.id, title: $0.title, text: $0.text)
      }
      let numbers = store.add(known)
      let batch = try await embedder.embed(known.map(\.searchableText))
      try vectors.add(numbers.indices.map { IdentifiedVector(id: numbers[$0], values: batch.vector(at: $0)) })
      return try DenseReranker(embedder: embedder, index: vectors, documents: store)
    }
    #expect(violations.isEmpty, "\(violations)")
  }

  @Test("write their stages into the query's trace")
  func stages() async throws {
    let trace = RequestTrace()
    let retriever = try await RetrieverKind.hybrid.make(RetrieverContract.documents)
    _ = try await retriever.retrieve(RetrievalQuery("what lowers fever", trace: trace))
    #expect(Set(trace.stages.map(\.stage)) == ["retrieval.sparse", "retrieval.dense"])
    #expect(trace.stages.allSatisfy { $0.memoryBytes > 0 })
  }

  @Test("dense search uses the query's embedding only if it is of its embedder")
  func handedOnEmbedding() async throws {
    let retriever = try await RetrieverKind.dense.make(RetrieverContract.documents)
    let bread = try await HashingTextEmbedder(dimension: 256).embed(
      "Bread needs flour, water, salt and yeast."
    )
    let own = try await retriever.retrieve(RetrievalQuery("fever", embedding: bread))
    #expect(own.passages.first?.document == "bread")
    var foreign = bread
    foreign.embedder.revision = "another"
    let other = try await retriever.retrieve(RetrievalQuery("suspension bridge cables", embedding: foreign))
    #expect(other.passages.first?.document == "bridge")
  }

  @Test("dense search refuses an index of another embedder, naming both")
  func modelMismatch() throws {
    let vectors = try ExactVectorIndex(profile: EmbedderProfile(id: "other", dimension: 64, maxTokens: 1))
    #expect {
      try DenseRetriever(index: vectors, documents: InMemoryDocuments(), embedder: HashingTextEmbedder())
    } throws: { error in
      guard let error = error as? RetrievalError else { return false }
      return error.code == .modelMismatch && error.indexModel?.id == "other"
        && error.currentModel?.id == "hashing"
    }
  }

  @Test("hybrid search goes on with one half and says so")
  func partial() async throws {
    let whole = FixedRetriever(passages: [passage("a", 1)])
    let query = try RetrievalQuery("fever")
    for (sparse, dense) in [(whole, FixedRetriever()), (FixedRetriever(), whole)] {
      let result = try await HybridRetriever(sparse: sparse, dense: dense).retrieve(query)
      #expect(result.isPartial)
      #expect(result.passages.map(\.document) == ["a"])
    }
    await #expect(throws: FixedRetriever.Failure.self) {
      try await HybridRetriever(sparse: FixedRetriever(), dense: FixedRetriever()).retrieve(query)
    }
  }

  @Test("the hot-query cache answers the same question in other letters until the index changes")
  func hotQueries() async throws {
    let index = InvertedIndex()
    let store = InMemoryDocuments()
    func add(_ id: DocumentID, _ text: String) throws {
      let document = IndexedDocument(id: id, text: text)
      try index.add([(number: store.add([document])[0], text: text)])
    }
    try add("a", "fever")
    let cached = CachedRetriever(
      SparseRetriever(index: index, documents: store),
      capacity: 4,
      epoch: { index.epoch }
    )
    #expect(try await cached.retrieve(RetrievalQuery("Fever  pain")).answeredBy == "sparse")
    let hit = try await cached.retrieve(RetrievalQuery(" fever PAIN\n"))
    #expect(hit.answeredBy == "hotQuery")
    #expect(hit.passages.map(\.document) == ["a"])
    #expect(try await cached.retrieve(RetrievalQuery("fever pain", limit: 3)).answeredBy == "sparse")
    #expect(try await cached.retrieve(RetrievalQuery("fever pain", allowedDocuments: [])).passages.isEmpty)
    try add("b", "fever pain")
    #expect(try await cached.retrieve(RetrievalQuery("fever pain")).passages.count == 2)
    for number in 0..<50 { _ = try await cached.retrieve(RetrievalQuery("query \(number)")) }
    #expect(try await cached.retrieve(RetrievalQuery("query 49")).answeredBy == "hotQuery")
    #expect(try await cached.retrieve(RetrievalQuery("query 1")).answeredBy == "sparse")
    #expect(cached.statistics.hits == 2)
  }

  @Test("the hot-query cache keeps to its bytes, and one result that is larger is not kept")
  func hotQueryBytes() async throws {
    // Each result takes some 10 KB, or 50 KB with five passages.
    let text = String(repeating: "x", count: 10_000)
    let passages = (0..<5).map { RetrievedPassage(document: DocumentID("\($0)"), text: text, score: 1) }
    let cached = CachedRetriever(FixedRetriever(passages: passages), maximumBytes: 45_000, epoch: { 1 })
    for number in 0..<20 {
      _ = try await cached.retrieve(RetrievalQuery("query \(number)", limit: 1))
      #expect(cached.bytes > 10_000 && cached.bytes <= 45_000)
    }
    #expect(try await cached.retrieve(RetrievalQuery("query 19", limit: 1)).answeredBy == "hotQuery")
    let before = cached.bytes
    for _ in 0..<2 {
      #expect(try await cached.retrieve(RetrievalQuery("large", limit: 5)).answeredBy == "fixed")
    }
    #expect(cached.bytes == before)
  }

  @Test("the hot-query cache tells sets of allowed documents apart, whatever their order")
  func hotQueryFilters() async throws {
    let cached = CachedRetriever(FixedRetriever(passages: [passage("a", 1)]), epoch: { 1 })
    let ids = (0..<100).map { DocumentID("\($0)") }
    let sets: [Set<DocumentID>?] = [nil, [], ["ab", "c"], ["a", "bc"], ["a", "b", "c"], Set(ids)]
    for set in sets {
      let query = try RetrievalQuery("fever", allowedDocuments: set)
      #expect(try await cached.retrieve(query).answeredBy == "fixed")
      #expect(try await cached.retrieve(query).answeredBy == "hotQuery")
    }
    let again = try RetrievalQuery("fever", allowedDocuments: Set(ids.reversed()))
    #expect(try await cached.retrieve(again).answeredBy == "hotQuery")
  }
}
