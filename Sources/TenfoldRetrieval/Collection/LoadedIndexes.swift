// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import TenfoldVectors

/// The indexes in memory as they are made when a collection is opened.
struct LoadedIndexes {
  let sparse: InvertedIndex
  let dense: ExactVectorIndex?
  let repairs: [String]
  /// The newest change that the indexes hold.
  let sequence: Int64

  /// Documents read and indexed at a time.
  private static let pageSize = 512

  static func termsPath(_ directory: String) -> String { directory + "/terms" }

  static func load(
    _ documents: DocumentDatabase,
    directory: String,
    profile: EmbedderProfile?,
    options: SearchIndex.Options
  ) async throws -> LoadedIndexes {
    let isEmpty = try await documents.page(after: 0, changedSince: 0, limit: 1).isEmpty
    let stored = try await documents.storedProfile()
    if isEmpty {
      if stored != profile { try await documents.setProfile(profile) }
    } else {
      let isSame =
        switch (stored, profile) {
        case (nil, nil): true
        case (let stored?, let profile?): stored.isComparable(with: profile)
        default: false
        }
      guard isSame else {
        throw RetrievalError.modelMismatch(
          index: stored,
          current: profile,
          place: "the collection in \(directory)"
        )
      }
    }
    let sequence = try await documents.sequence()
    let dense = try await loadVectors(documents, profile: profile, options: options)
    let (sparse, repairs) = try await loadTerms(documents, directory, upTo: sequence, options: options)
    return LoadedIndexes(sparse: sparse, dense: dense, repairs: repairs, sequence: sequence)
  }

  /// Puts documents into the indexes in memory.
  static func apply(_ stored: [StoredDocument], sparse: InvertedIndex, dense: ExactVectorIndex?) {
    guard !stored.isEmpty else { return }
    if let dense {
      dense.remove(stored.filter { $0.vector == nil }.map(\.number))
      // The shapes were checked when the vectors came from the embedder or the disk.
      _ = try? dense.add(
        stored.compactMap { row in row.vector.map { IdentifiedVector(id: row.number, values: $0) } }
      )
    }
    // Throws only for a damaged index, and damage was repaired when the collection was opened.
    try? sparse.add(stored.map { ($0.number, $0.document.searchableText) })
  }

  private static func loadVectors(
    _ documents: DocumentDatabase,
    profile: EmbedderProfile?,
    options: SearchIndex.Options
  ) async throws -> ExactVectorIndex? {
    guard let profile else { return nil }
    let dense: ExactVectorIndex
    do throws(VectorIndexError) {
      dense = try ExactVectorIndex(profile: profile, options: .init(rowFormat: options.vectorFormat))
    } catch {
      throw RetrievalError(.invalidOption, error.message, underlying: error)
    }
    var last: UInt64 = 0
    while true {
      try Task.checkCancellation()
      let page = try await documents.vectors(after: last, limit: pageSize)
      guard let end = page.last?.number else { return dense }
      last = end
      let vectors = page.compactMap { row in row.vector.map { IdentifiedVector(id: row.number, values: $0) } }
      do {
        try dense.add(vectors)
      } catch {
        throw RetrievalError(
          .corrupt,
          "a vector among documents number \(page.first?.number ?? 0) to \(end) has the wrong length; "
            + "index the documents again",
          underlying: error
        )
      }
    }
  }

  private static func loadTerms(
    _ documents: DocumentDatabase,
    _ directory: String,
    upTo sequence: Int64,
    options: SearchIndex.Options
  ) async throws -> (InvertedIndex, repairs: [String]) {
    var indexOptions = InvertedIndex.Options(analyzer: options.analyzer)
    indexOptions.maximumFileSizeInBytes = options.maximumSizeInBytes
    var repairs: [String] = []
    var sparse = InvertedIndex(options: indexOptions)
    var watermark: Int64 = 0
    do throws(RetrievalError) {
      if let (opened, mark) = try InvertedIndex.open(termsPath(directory), options: indexOptions) {
        if !opened.damage.isEmpty {
          repairs += opened.damage
        } else if mark > UInt64(clamping: sequence) {
          repairs.append(
            "the text index is newer than the documents, as after restoring only them from a backup"
          )
          // Once there are as many changes again it would pass for theirs.
          try InvertedIndex.giveUp(termsPath(directory))
        } else {
          sparse = opened
          watermark = Int64(clamping: mark)
        }
      }
    } catch {
      // What the documents can make good is made good; a newer format must not be touched.
      guard error.code == .corrupt || error.code == .invalidOption else { throw error }
      repairs.append(error.message)
    }
    // A text index saved beside the first addition may hold documents without a mark.
    if sparse.count > 0 { try sparse.remove(try await documents.removals(since: watermark)) }
    var last: UInt64 = 0
    while watermark < sequence {
      try Task.checkCancellation()
      let page = try await documents.page(after: last, changedSince: watermark, limit: pageSize)
      guard let end = page.last?.number else { break }
      last = end
      try sparse.add(page.map { ($0.number, $0.document.searchableText) })
    }
    return (sparse, repairs)
  }
}
