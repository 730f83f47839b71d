// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
public import TenfoldCore
import TenfoldStorage
import TenfoldVectors

/// A collection of documents in a directory, searchable by words and by meaning.
///
/// The documents and their vectors are in one SQLite file, which is the truth; the text index beside it, saved by
/// ``commit()``, only saves time when the collection is opened, and is built again when it is missing, damaged or
/// behind. One `SearchIndex` at a time has the directory open, which a lock on its file `lock` sees to.
///
/// **Durability.** When ``add(_:)`` or ``remove(_:)`` returns, the change is on disk and can be found; it survives a
/// kill of the process and loss of power.
///
/// ```swift
/// let index = try await SearchIndex.open("library", embedder: embedder)
/// try await index.add([IndexedDocument(id: "a", text: "Aspirin lowers fever.")])
/// let found = try await index.retriever().retrieve(RetrievalQuery("What helps against fever?"))
/// ```
public final class SearchIndex: Sendable {
  /// The directory.
  public let directory: String
  /// How the index analyses, stores and searches.
  public let options: Options
  /// What was found damaged or out of date when the collection was opened, and was built again from the documents.
  public let repairs: [String]
  /// The embedder, or `nil` for a collection that is searched by words only.
  public let embedder: (any TextEmbedder)?

  let documents: DocumentDatabase
  let sparse: InvertedIndex
  let dense: ExactVectorIndex?
  private let applied: Mutex<AppliedChanges>
  private let changes: Mutex<UInt64>
  /// Whether the collection is closed; held while the text index is saved.
  private let isClosed = Mutex(false)

  init(
    directory: String,
    options: Options,
    embedder: (any TextEmbedder)?,
    documents: DocumentDatabase,
    loaded: LoadedIndexes
  ) {
    self.directory = directory
    self.options = options
    self.embedder = embedder
    self.documents = documents
    self.repairs = loaded.repairs
    self.sparse = loaded.sparse
    self.dense = loaded.dense
    self.applied = Mutex(AppliedChanges(complete: loaded.sequence))
    self.changes = Mutex(UInt64(max(0, loaded.sequence)))
  }

  /// Opens a collection, or creates it when the directory is missing or empty.
  ///
  /// - Parameters:
  ///   - directory: The directory; its parent must be there.
  ///   - embedder: Embeds documents and queries, or `nil` to search by words only.
  ///   - options: How to analyse, store and search.
  /// - Returns: The collection, everything that was ever acknowledged in it.
  /// - Throws: ``RetrievalError`` with codes ``RetrievalError/Code/modelMismatch`` (index again, or use the
  ///   collection's embedder), ``RetrievalError/Code/futureFormat``, ``RetrievalError/Code/corrupt``,
  ///   ``RetrievalError/Code/storageFull``, ``RetrievalError/Code/invalidOption``, ``RetrievalError/Code/inUse`` (open
  ///   here or in another process) or ``RetrievalError/Code/inputOutput``.
  public static func open(
    _ directory: String,
    embedder: (any TextEmbedder)?,
    options: Options = Options()
  ) async throws -> SearchIndex {
    try options.validate()
    do throws(SectionFileError) { try IndexDirectory.create(directory) } catch { throw RetrievalError(error) }
    let documents = try await DocumentDatabase.open(in: directory, options: options)
    do {
      let loaded = try await LoadedIndexes.load(
        documents,
        directory: directory,
        profile: embedder?.profile,
        options: options
      )
      return SearchIndex(
        directory: directory,
        options: options,
        embedder: embedder,
        documents: documents,
        loaded: loaded
      )
    } catch {
      await documents.close()
      throw error
    }
  }

  /// How many documents there are.
  public var count: Int { sparse.count }

  /// The state of the collection; grows with every change, also across restarts.
  ///
  /// Documents that are put back from a backup count on from there: give up what is kept by this number elsewhere, such as
  /// persisted caches of answers.
  public var epoch: UInt64 { changes.withLock { $0 } }

  /// Adds documents; one whose id is there already is replaced.
  ///
  /// Works in batches, each of them whole or not at all. Cancelling the task stops between batches; adding the same
  /// documents again is harmless.
  ///
  /// - Parameter newDocuments: The documents; of equal ids the last counts. Ids have 1 to 1,024 bytes.
  /// - Returns: What became of them; on disk when this returns.
  /// - Throws: ``RetrievalError`` with codes ``RetrievalError/Code/storageFull`` (searches go on),
  ///   ``RetrievalError/Code/invalidOption``, ``RetrievalError/Code/invalidEmbedding``; what the embedder throws;
  ///   `CancellationError`.
  @discardableResult
  public func add(_ newDocuments: [IndexedDocument]) async throws -> AddReport {
    var places: [DocumentID: Int] = [:]
    var unique: [IndexedDocument] = []
    for document in newDocuments {
      guard (1...1024).contains(document.id.rawValue.utf8.count) else {
        throw RetrievalError(
          .invalidOption,
          "a document's id has \(document.id.rawValue.utf8.count) bytes; it must have 1 to 1,024"
        )
      }
      if let place = places[document.id] {
        unique[place] = document
      } else {
        places[document.id] = unique.count
        unique.append(document)
      }
    }
    var report = AddReport()
    var start = 0
    while start < unique.count {
      try Task.checkCancellation()
      let batch = Array(unique[start..<min(start + options.embeddingBatchSize, unique.count)])
      start += batch.count
      let vectors = try await embed(batch, &report)
      let stored = try await documents.upsert(Array(zip(batch, vectors)).map { ($0, $1) })
      await apply(stored)
      report.documentCount += stored.count
    }
    return report
  }

  /// Removes documents.
  ///
  /// - Parameter ids: Their ids; unknown ones are ignored.
  /// - Returns: How many were there; on disk when this returns.
  /// - Throws: ``RetrievalError``.
  @discardableResult
  public func remove(_ ids: [DocumentID]) async throws -> Int {
    guard !ids.isEmpty else { return 0 }
    let (numbers, sequence) = try await documents.remove(ids)
    await onOwnThread { [self] in
      applied.withLock { applied in
        let news = numbers.filter { applied.accept($0, at: sequence) }
        dense?.remove(news)
        // The text index of an open collection is never damaged: damage was repaired when it was opened.
        _ = try? sparse.remove(news)
        documents.invalidate(news)
        applied.finish(sequence)
      }
    }
    changes.withLock { $0 += 1 }
    return numbers.count
  }

  /// Saves the text index, so that the next opening need not build it; never needed for safety.
  ///
  /// Runs on a thread of its own. Changes made meanwhile are safe; they are caught up on when opening.
  ///
  /// - Throws: ``RetrievalError`` with codes ``RetrievalError/Code/storageFull`` or
  ///   ``RetrievalError/Code/inputOutput``; the collection goes on unharmed. ``RetrievalError/Code/closed`` once it is
  ///   closed.
  public func commit() async throws {
    let watermark: Int64
    do {
      watermark = try await DedicatedThread.run(name: "tenfold-commit") { [self] in
        // Whoever closes waits for this: afterwards the directory may be somebody else's.
        try isClosed.withLock { isClosed in
          guard !isClosed else { throw RetrievalError(.closed, "the collection in \(directory) is closed") }
          let watermark = applied.withLock { $0.complete }
          try sparse.save(to: LoadedIndexes.termsPath(directory), watermark: UInt64(watermark))
          return watermark
        }
      }
    } catch let error as StorageError {
      throw RetrievalError(error)
    }
    // A collection that was closed in between forgets them with its next save.
    do { try await documents.forgetRemovals(upTo: watermark) } catch  where error.code == .closed { return }
  }

  /// Finishes what was begun, a ``commit()`` too, and lets go of the files; later changes throw
  /// ``RetrievalError/Code/closed``.
  public func close() async {
    await onOwnThread { [self] in isClosed.withLock { $0 = true } }
    await documents.close()
  }

  /// A document by its id.
  ///
  /// - Parameter id: The id.
  /// - Returns: The document, or `nil`.
  /// - Throws: ``RetrievalError``.
  public func document(_ id: DocumentID) async throws -> IndexedDocument? { try await documents.document(id) }

  // MARK: - Private

  private func embed(_ batch: [IndexedDocument], _ report: inout AddReport) async throws -> [[Float]?] {
    guard let embedder else { return batch.map { _ in nil } }
    let embedded = try await embedder.embed(batch.map(\.searchableText))
    guard embedded.count == batch.count, embedded.dimension == embedder.profile.dimension else {
      throw RetrievalError(
        .invalidEmbedding,
        "the embedder \(embedder.profile) returned \(embedded.count) vectors of \(embedded.dimension) values "
          + "for \(batch.count) texts"
      )
    }
    return batch.indices.map { row in
      let vector = embedded.vector(at: row)
      // Judged as the vector index would; what it rejects must not get on the disk either.
      guard vector.allSatisfy(\.isFinite), vector.contains(where: { $0 != 0 }) else {
        report.withoutVector.append(batch[row].id)
        return nil
      }
      return vector
    }
  }

  private func apply(_ stored: [StoredDocument]) async {
    guard let sequence = stored.first?.sequence else { return }
    await onOwnThread { [self] in
      applied.withLock { applied in
        let news = stored.filter { applied.accept($0.number, at: sequence) }
        LoadedIndexes.apply(news, sparse: sparse, dense: dense)
        documents.invalidate(news.map(\.number))
        applied.finish(sequence)
      }
    }
    changes.withLock { $0 += 1 }
  }

  /// Analysing and merging may take seconds, and writers wait for each other: not a matter for the cooperative pool.
  private func onOwnThread(_ body: @escaping @Sendable () -> Void) async {
    do {
      try await DedicatedThread.run(name: "tenfold-apply") { body() }
    } catch {
      // No thread was to be had, so nothing has run; the change is on disk and must get into memory.
      body()
    }
  }
}
