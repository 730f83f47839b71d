// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
public import TenfoldCore

/// A usage ledger in memory: for tests, and where usage may be lost with the process.
///
/// ```swift
/// let ledger = InMemoryUsageLedger()
/// try await ledger.book([UsageEntry(tenant: "acme", request: RequestID(), call: call)])
/// ```
public final class InMemoryUsageLedger: UsageLedger {
  private struct Key: Hashable {
    var tenant: TenantID
    var model: String
    var day: UTCDay
  }

  private let totals = Mutex<[Key: UsageTotal]>([:])

  /// Creates an empty ledger.
  public init() {}

  /// Books calls, in memory only.
  ///
  /// - Parameter entries: Each with a tenant.
  /// - Throws: ``StorageError`` with code ``StorageError/Code/invalidOption`` for an entry without a tenant.
  public func book(_ entries: [UsageEntry]) async throws {
    for entry in entries { try StorageError.require(entry.tenant != "", "tenant", "not empty") }
    totals.withLock { totals in
      for entry in entries {
        let key = Key(tenant: entry.tenant, model: entry.call.model, day: UTCDay(containing: entry.time))
        totals[key, default: UsageTotal()].add(UsageTotal(entry.call))
      }
    }
  }

  /// What a tenant used, by model.
  ///
  /// - Parameters:
  ///   - tenant: Whose usage.
  ///   - days: Only these days; `nil` for all.
  /// - Returns: One total for each model that was called.
  /// - Throws: Never.
  /// - Complexity: O(tenants × models × days).
  public func totals(
    of tenant: TenantID,
    days: ClosedRange<UTCDay>?
  ) async throws -> [String: UsageTotal] {
    totals.withLock { totals in
      totals.reduce(into: [:]) { sums, entry in
        guard entry.key.tenant == tenant, days?.contains(entry.key.day) ?? true else { return }
        sums[entry.key.model, default: UsageTotal()].add(entry.value)
      }
    }
  }

  /// Deletes all that is kept of a tenant.
  ///
  /// - Parameter tenant: Whose records.
  /// - Throws: ``StorageError`` with code ``StorageError/Code/invalidOption`` for an empty tenant.
  public func erase(_ tenant: TenantID) async throws {
    try StorageError.require(tenant != "", "tenant", "not empty")
    totals.withLock { totals in totals = totals.filter { $0.key.tenant != tenant } }
  }
}
