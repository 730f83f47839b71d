// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// Keeps what was asked: to warm caches with, to train routers on, to evaluate retrieval with.
///
/// It holds what people wrote: give it a retention with ``forget(before:)``. Run `QueryLogContract` from TenfoldTesting
/// against an implementation of your own.
///
/// ```swift
/// for query in try await queries.frequent(of: "acme", since: 0, limit: 100) { try await warm(query.text) }
/// ```
public protocol QueryLog: Sendable {
  /// Keeps questions, all or none; as durable as the log promises when this returns.
  ///
  /// - Parameter queries: None is fine; each with a tenant.
  /// - Throws: ``StorageError``: then nothing was kept, unless its code is ``StorageError/Code/syncFailed``.
  func record(_ queries: [LoggedQuery]) async throws

  /// A tenant's newest questions; all that was kept before the call is looked at.
  ///
  /// - Parameters:
  ///   - tenant: Whose questions.
  ///   - limit: How many at most.
  /// - Returns: The newest first, in the order in which they were kept.
  /// - Throws: ``StorageError``.
  func recent(of tenant: TenantID, limit: Int) async throws -> [LoggedQuery]

  /// A tenant's most frequent questions; all that was kept before the call is looked at.
  ///
  /// - Parameters:
  ///   - tenant: Whose questions.
  ///   - time: Only questions from then on, in nanoseconds since 1970.
  ///   - limit: How many at most.
  /// - Returns: The most frequent first, equals by text.
  /// - Throws: ``StorageError``.
  func frequent(of tenant: TenantID, since time: Int64, limit: Int) async throws -> [FrequentQuery]

  /// Deletes the questions that were asked before a time.
  ///
  /// - Parameter time: The first time that is kept, in nanoseconds since 1970.
  /// - Throws: ``StorageError``.
  func forget(before time: Int64) async throws

  /// Deletes all that is kept of a tenant.
  ///
  /// - Parameter tenant: Whose records.
  /// - Throws: ``StorageError``.
  func erase(_ tenant: TenantID) async throws
}
