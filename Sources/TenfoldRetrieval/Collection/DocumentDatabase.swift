// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import TenfoldCore
import TenfoldStorage

/// The documents of a search index on disk, in one SQLite file, with some of them in memory.
final class DocumentDatabase: DocumentSource {
  private struct Cache {
    var documents: DocumentCache
    /// Grows with each invalidation, so that a slow read can't put back what was replaced meanwhile.
    var generation = 0
  }

  private let database: SQLiteDatabase
  /// Held as long as anything can use the collection, its retrievers too.
  private let lock: CollectionLock
  private let cache: Mutex<Cache>
  private let known = DocumentNumbers()
  private let statements = Atomic<Int>(0)

  /// How many statements have looked documents up.
  var lookUps: Int { statements.load(ordering: .relaxed) }

  private init(_ database: SQLiteDatabase, _ lock: CollectionLock, cacheLimit: Int) {
    self.database = database
    self.lock = lock
    self.cache = Mutex(Cache(documents: DocumentCache(limit: cacheLimit)))
  }

  static func open(
    in directory: String,
    options: SearchIndex.Options
  ) async throws(RetrievalError) -> DocumentDatabase {
    let lock = try CollectionLock.take(directory)
    return try await mapped {
      let database = try await SQLiteDatabase.open(
        .file(directory + "/documents.sqlite"),
        schemas: [StoredDocument.schema],
        options: .init(maximumSizeInBytes: options.maximumSizeInBytes)
      )
      return DocumentDatabase(database, lock, cacheLimit: options.documentCacheInBytes)
    }
  }

  func close() async {
    await database.close()
    lock.release()
  }

  // MARK: - The embedder

  /// The embedder that the vectors are of, or `nil` if there is none.
  func storedProfile() async throws(RetrievalError) -> EmbedderProfile? {
    try await Self.mapped {
      try await self.database.read { tx in
        func setting(_ name: String) throws -> String? {
          try tx.first("SELECT value FROM setting WHERE name = ?1", name) { row in try row.text(0) }
        }
        guard let id = try setting("embedder.id"), let revision = try setting("embedder.revision"),
          let dimension = try setting("embedder.dimension").flatMap({ Int($0) })
        else { return nil }
        let maxTokens = try setting("embedder.maxTokens").flatMap { Int($0) } ?? 0
        return EmbedderProfile(id: id, revision: revision, dimension: dimension, maxTokens: maxTokens)
      }
    }
  }

  func setProfile(_ profile: EmbedderProfile?) async throws(RetrievalError) {
    try await Self.mapped {
      try await self.database.write { tx in
        try tx.execute("DELETE FROM setting WHERE name LIKE 'embedder.%'")
        guard let profile else { return }
        let values = [
          "id": profile.id, "revision": profile.revision, "dimension": String(profile.dimension),
          "maxTokens": String(profile.maxTokens),
        ]
        for (name, value) in values {
          try tx.execute("INSERT INTO setting VALUES(?1, ?2)", "embedder." + name, value)
        }
      }
    }
  }

  // MARK: - Writing

  /// Adds or replaces documents: on disk when this returns.
  ///
  /// - Returns: The documents with their numbers and the number of this change.
  func upsert(
    _ documents: [(document: IndexedDocument, vector: [Float]?)]
  ) async throws(RetrievalError) -> [StoredDocument] {
    try await Self.mapped {
      try await self.database.write { tx in
        let sequence = try Self.nextSequence(tx)
        let statement = try tx.prepare(
          """
          INSERT INTO document(id, title, body, metadata, vector, sequence) VALUES(?1, ?2, ?3, ?4, ?5, ?6)
          ON CONFLICT(id) DO UPDATE SET title = ?2, body = ?3, metadata = ?4, vector = ?5, sequence = ?6
          RETURNING number
          """
        )
        return try documents.map { document, vector in
          let numbers = try statement.query(
            document.id.rawValue,
            document.title,
            document.text,
            StoredDocument.bytes(of: document.metadata),
            vector.map { StoredDocument.bytes(of: $0) },
            sequence
          ) { row in try row.int64(0) }
          guard let number = numbers.first else {
            throw RetrievalError(.inputOutput, "the database gave document \(document.id) no number")
          }
          return StoredDocument(
            number: UInt64(bitPattern: number),
            sequence: sequence,
            document: document,
            vector: vector
          )
        }
      }
    }
  }

  /// Removes documents: on disk when this returns.
  func remove(_ ids: [DocumentID]) async throws(RetrievalError) -> (numbers: [UInt64], sequence: Int64) {
    try await Self.mapped {
      try await self.database.write { tx in
        let sequence = try Self.nextSequence(tx)
        var numbers: [UInt64] = []
        for id in ids {
          let found = try tx.query("DELETE FROM document WHERE id = ?1 RETURNING number", id.rawValue) {
            row in
            try row.int64(0)
          }
          for number in found {
            try tx.execute("INSERT OR REPLACE INTO removal VALUES(?1, ?2)", number, sequence)
            numbers.append(UInt64(bitPattern: number))
          }
        }
        return (numbers, sequence)
      }
    }
  }

  /// Forgets removals that every derived index knows of.
  func forgetRemovals(upTo sequence: Int64) async throws(RetrievalError) {
    try await Self.mapped {
      try await self.database.write { tx in
        _ = try tx.execute("DELETE FROM removal WHERE sequence <= ?1", sequence)
      }
    }
  }

  // MARK: - Reading

  /// The number of the newest change.
  func sequence() async throws(RetrievalError) -> Int64 {
    try await Self.mapped {
      try await self.database.read { tx in
        try tx.first("SELECT value FROM counter WHERE name = 'sequence'") { row in try row.int64(0) } ?? 0
      }
    }
  }

  /// Documents by number, a page at a time, of all or of those that changed.
  func page(
    after number: UInt64,
    changedSince sequence: Int64,
    limit: Int
  ) async throws(RetrievalError)
    -> [StoredDocument]
  {
    try await Self.mapped {
      try await self.database.read { tx in
        try tx.query(
          "SELECT \(StoredDocument.columns) FROM document WHERE number > ?1 AND sequence > ?2 ORDER BY number LIMIT ?3",
          Int64(bitPattern: number),
          sequence,
          limit
        ) { row in try StoredDocument(row) }
      }
    }
  }

  /// The vectors of documents by number, a page at a time.
  func vectors(
    after number: UInt64,
    limit: Int
  ) async throws(RetrievalError)
    -> [(number: UInt64, sequence: Int64, vector: [Float]?)]
  {
    try await Self.mapped {
      try await self.database.read { tx in
        try tx.query(
          "SELECT number, sequence, vector FROM document WHERE number > ?1 ORDER BY number LIMIT ?2",
          Int64(bitPattern: number),
          limit
        ) { row in
          let number = UInt64(bitPattern: try row.int64(0))
          return (
            number, try row.int64(1),
            try row.optionalBlob(2).map { try StoredDocument.vector($0, number: number) }
          )
        }
      }
    }
  }

  /// The numbers of documents removed since a change.
  func removals(since sequence: Int64) async throws(RetrievalError) -> [UInt64] {
    try await Self.mapped {
      try await self.database.read { tx in
        try tx.query("SELECT number FROM removal WHERE sequence > ?1", sequence) { row in
          UInt64(bitPattern: try row.int64(0))
        }
      }
    }
  }

  func document(_ id: DocumentID) async throws(RetrievalError) -> IndexedDocument? {
    try await Self.mapped {
      try await self.database.read { tx in
        try tx.first("SELECT number, \(StoredDocument.texts) FROM document WHERE id = ?1", id.rawValue) {
          row in
          try StoredDocument.document(row, from: 1, number: UInt64(bitPattern: try row.int64(0)))
        }
      }
    }
  }

  /// Which of some documents are there.
  func contained(_ ids: Set<DocumentID>) async throws(RetrievalError) -> Set<DocumentID> {
    statements.add(ids.count, ordering: .relaxed)
    return try await Self.mapped {
      try await self.database.read { tx in
        let statement = try tx.prepare("SELECT 1 FROM document WHERE id = ?1")
        return try ids.filter { id in try !statement.query(id.rawValue) { row in try row.int64(0) }.isEmpty }
      }
    }
  }

  func numbers(of ids: Set<DocumentID>) async throws -> Set<UInt64> {
    try await known.numbers(of: ids) { try await self.lookUp(ids) }
  }

  private func lookUp(_ ids: Set<DocumentID>) async throws(RetrievalError) -> Set<UInt64> {
    statements.add(ids.count, ordering: .relaxed)
    return try await Self.mapped {
      try await self.database.read { tx in
        let statement = try tx.prepare("SELECT number FROM document WHERE id = ?1")
        var numbers: Set<UInt64> = []
        for id in ids {
          let found = try statement.query(id.rawValue) { row in UInt64(bitPattern: try row.int64(0)) }
          numbers.formUnion(found)
        }
        return numbers
      }
    }
  }

  func documents(_ numbers: [UInt64]) async throws -> [UInt64: IndexedDocument] {
    guard !numbers.isEmpty else { return [:] }
    let (cached, generation) = cache.withLock { cache in
      var found: [UInt64: IndexedDocument] = [:]
      for number in numbers { found[number] = cache.documents.find(number) }
      return (found, cache.generation)
    }
    var found = cached
    let missing = numbers.filter { cached[$0] == nil }
    guard !missing.isEmpty else { return found }
    statements.add(missing.count, ordering: .relaxed)
    let read = try await Self.mapped {
      try await self.database.read { tx in
        let statement = try tx.prepare("SELECT \(StoredDocument.texts) FROM document WHERE number = ?1")
        return try missing.flatMap { number in
          try statement.query(Int64(bitPattern: number)) { row in
            (number: number, document: try StoredDocument.document(row, from: 0, number: number))
          }
        }
      }
    }
    for row in read { found[row.number] = row.document }
    cache.withLock { cache in
      guard cache.generation == generation else { return }
      for row in read { cache.documents.add(row.document, number: row.number) }
    }
    return found
  }

  /// Drops documents that changed from memory.
  func invalidate(_ numbers: [UInt64]) {
    known.invalidate()
    cache.withLock { cache in
      cache.generation += 1
      for number in numbers { cache.documents.remove(number) }
    }
  }

  // MARK: - Private

  private static func nextSequence(_ tx: SQLiteTransaction) throws -> Int64 {
    try tx.execute("UPDATE counter SET value = value + 1 WHERE name = 'sequence'")
    return try tx.first("SELECT value FROM counter WHERE name = 'sequence'") { row in try row.int64(0) } ?? 0
  }

  private static func mapped<Value: Sendable>(
    _ body: () async throws -> Value
  ) async throws(RetrievalError) -> Value {
    do {
      return try await body()
    } catch let error as RetrievalError {
      throw error
    } catch let error as StorageError {
      throw RetrievalError(error)
    } catch {
      throw RetrievalError(.inputOutput, "the database of documents failed: \(error)", underlying: error)
    }
  }
}
