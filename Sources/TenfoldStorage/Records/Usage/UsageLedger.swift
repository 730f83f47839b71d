// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// Keeps what tenants used of which models, to bill by and to plan with.
///
/// Run `UsageLedgerContract` from TenfoldTesting against an implementation of your own.
///
/// ```swift
/// try await ledger.book(summary.provenance.modelCalls.map { UsageEntry(tenant: "acme", request: id, call: $0) })
/// let cost = try await ledger.totals(of: "acme").values.reduce(.zero) { $0 + $1.cost }
/// ```
public protocol UsageLedger: Sendable {
  /// Books calls, all or none; as durable as the ledger promises when this returns.
  ///
  /// Booking an entry again counts it again: when a call of this ended without an answer, look before trying again.
  ///
  /// - Parameter entries: None is fine; each with a tenant.
  /// - Throws: ``StorageError``: then nothing was booked, unless its code is ``StorageError/Code/syncFailed``.
  func book(_ entries: [UsageEntry]) async throws

  /// What a tenant used, by model; all that was booked before the call is in it.
  ///
  /// - Parameters:
  ///   - tenant: Whose usage.
  ///   - days: Only these days; `nil` for all.
  /// - Returns: One total for each model that was called.
  /// - Throws: ``StorageError``.
  func totals(of tenant: TenantID, days: ClosedRange<UTCDay>?) async throws -> [String: UsageTotal]

  /// Deletes all that is kept of a tenant.
  ///
  /// - Parameter tenant: Whose records.
  /// - Throws: ``StorageError``.
  func erase(_ tenant: TenantID) async throws
}

extension UsageLedger {
  /// What a tenant used in all, by model.
  ///
  /// - Parameter tenant: Whose usage.
  /// - Returns: One total for each model that was called.
  /// - Throws: ``StorageError``.
  public func totals(of tenant: TenantID) async throws -> [String: UsageTotal] {
    try await totals(of: tenant, days: nil)
  }
}
