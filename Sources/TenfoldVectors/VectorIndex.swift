// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// Something that keeps vectors of one embedder and finds those nearest to another vector.
///
/// Nearness is the cosine; every implementation scales vectors to length 1 when they come in. Every implementation
/// passes `VectorIndexContract` of `TenfoldTesting`.
///
/// ```swift
/// let index = try ExactVectorIndex(profile: embedder.profile)
/// try index.add([IdentifiedVector(id: 7, values: try await embedder.embed("aspirin").values)])
/// let nearest = try await index.search(try await embedder.embed("fever").values, limit: 10)
/// ```
public protocol VectorIndex: Sendable {
  /// The embedder whose vectors these are.
  var profile: EmbedderProfile { get }
  /// How many vectors the index holds.
  var count: Int { get }
  /// The state of the index; grows with every change.
  var epoch: UInt64 { get }

  /// Adds vectors; one whose id is already there replaces the old one.
  ///
  /// Vectors with NaN, infinity or no length are left out and reported, never stored. Visible to searches that begin
  /// after this returns.
  ///
  /// - Parameter vectors: The vectors, each with the index's dimension.
  /// - Returns: What was added, replaced and rejected.
  /// - Throws: ``VectorIndexError`` with code ``VectorIndexError/Code/dimensionMismatch``; then nothing was added.
  @discardableResult
  func add(_ vectors: [IdentifiedVector]) throws -> VectorInsertReport

  /// Removes vectors.
  ///
  /// - Parameter ids: Their ids; unknown ones are ignored.
  /// - Returns: How many were there.
  @discardableResult
  func remove(_ ids: [UInt64]) -> Int

  /// Finds the nearest vectors of several queries in one pass.
  ///
  /// Cancelling the task stops the search.
  ///
  /// - Parameters:
  ///   - queries: The queries, each with the index's dimension and any length but 0.
  ///   - limit: At most this many matches for each; 1 or more, and more than there are is fine.
  ///   - filter: Which vectors are considered.
  /// - Returns: For each query its matches, most alike first and equals by lower id; no score is NaN.
  /// - Throws: ``VectorIndexError`` with codes ``VectorIndexError/Code/invalidOption``,
  ///   ``VectorIndexError/Code/dimensionMismatch`` or ``VectorIndexError/Code/invalidVector``; `CancellationError`.
  func search(_ queries: [[Float]], limit: Int, filter: VectorFilter) async throws -> VectorSearchResult
}

extension VectorIndex {
  /// Finds the nearest vectors of one query.
  ///
  /// - Parameters:
  ///   - query: The query, with the index's dimension.
  ///   - limit: At most this many matches; 1 or more.
  ///   - filter: Which vectors are considered.
  /// - Returns: The matches, most alike first.
  /// - Throws: Whatever the search of several queries throws.
  public func search(_ query: [Float], limit: Int, filter: VectorFilter = .all) async throws -> [VectorMatch]
  {
    try await search([query], limit: limit, filter: filter).matches.first ?? []
  }
}
