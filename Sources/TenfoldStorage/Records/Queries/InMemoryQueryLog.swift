// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
public import TenfoldCore

/// A query log in memory: for tests, and where it may be lost with the process.
///
/// It grows with each question: call ``forget(before:)`` now and then.
///
/// ```swift
/// let queries = InMemoryQueryLog()
/// let newest = try await queries.recent(of: "acme", limit: 10)
/// ```
public final class InMemoryQueryLog: QueryLog {
  private let queries = Mutex<[LoggedQuery]>([])

  /// Creates an empty log.
  public init() {}

  /// Keeps questions, in memory only.
  ///
  /// - Parameter queries: Each with a tenant.
  /// - Throws: ``StorageError`` with code ``StorageError/Code/invalidOption`` for a question without a tenant.
  public func record(_ queries: [LoggedQuery]) async throws {
    for query in queries { try StorageError.require(query.tenant != "", "tenant", "not empty") }
    self.queries.withLock { $0 += queries }
  }

  /// A tenant's newest questions.
  ///
  /// - Parameters:
  ///   - tenant: Whose questions.
  ///   - limit: How many at most.
  /// - Returns: The newest first.
  /// - Throws: Never.
  /// - Complexity: O(questions of all tenants).
  public func recent(of tenant: TenantID, limit: Int) async throws -> [LoggedQuery] {
    queries.withLock { queries in
      Array(queries.reversed().filter { $0.tenant == tenant }.prefix(max(0, limit)))
    }
  }

  /// A tenant's most frequent questions.
  ///
  /// - Parameters:
  ///   - tenant: Whose questions.
  ///   - time: Only questions from then on, in nanoseconds since 1970.
  ///   - limit: How many at most.
  /// - Returns: The most frequent first, equals by text.
  /// - Throws: Never.
  /// - Complexity: O(questions of all tenants).
  public func frequent(of tenant: TenantID, since time: Int64, limit: Int) async throws -> [FrequentQuery] {
    let counts = queries.withLock { queries in
      queries.reduce(into: [ByteText: Int]()) { counts, query in
        if query.tenant == tenant, query.time >= time { counts[ByteText(query.text), default: 0] += 1 }
      }
    }
    // Texts in the order of their bytes, as in a database.
    let sorted = counts.sorted { left, right in
      left.value == right.value
        ? left.key.text.utf8.lexicographicallyPrecedes(right.key.text.utf8) : left.value > right.value
    }
    return sorted.prefix(max(0, limit)).map { FrequentQuery(text: $0.key.text, count: $0.value) }
  }

  /// Deletes the questions that were asked before a time.
  ///
  /// - Parameter time: The first time that is kept, in nanoseconds since 1970.
  /// - Throws: Never.
  public func forget(before time: Int64) async throws {
    queries.withLock { queries in queries.removeAll { $0.time < time } }
  }

  /// Deletes all that is kept of a tenant.
  ///
  /// - Parameter tenant: Whose records.
  /// - Throws: ``StorageError`` with code ``StorageError/Code/invalidOption`` for an empty tenant.
  public func erase(_ tenant: TenantID) async throws {
    try StorageError.require(tenant != "", "tenant", "not empty")
    queries.withLock { queries in queries.removeAll { $0.tenant == tenant } }
  }
}
