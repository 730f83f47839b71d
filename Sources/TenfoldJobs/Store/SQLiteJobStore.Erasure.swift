// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore
import TenfoldStorage

extension SQLiteJobStore {
  /// Deletes all jobs of a tenant, in every state, with all that belongs to them; on disk when this returns.
  ///
  /// What is deleted is overwritten in the file, and the log is emptied at the end. Where reads or other processes keep the
  /// log for longer than a second its old pages stay until the log is written anew, or the database closed. When SQLite
  /// moved rows between pages it may have left copies in a page's unused part; `database.compact()` leaves nothing.
  /// Backups made before hold the tenant still.
  ///
  /// - Parameter tenant: Whose jobs.
  /// - Returns: How many jobs this call deleted.
  /// - Throws: ``JobError`` with code ``JobError/Code/invalidOption`` for the empty tenant; `StorageError`;
  ///   `CancellationError` between two steps.
  /// - Complexity: O(jobs in the store) reads, beside the writer, and O(jobs of the tenant) writes, 200 in a transaction.
  @discardableResult
  public func erase(_ tenant: TenantID) async throws -> Int {
    try await erase(tenant, scanning: 5000, deleting: 200) { try Task.checkCancellation() }
  }

  func erase(
    _ tenant: TenantID,
    scanning page: Int,
    deleting step: Int,
    between: () throws -> Void
  ) async throws -> Int {
    guard tenant != "" else {
      throw JobError(.invalidOption, "erase needs the name of a tenant; the empty one is nobody's")
    }
    // Whoever waits for one of the jobs looks, and producers find room.
    defer {
      hub.send(.controlled)
      room.send(())
    }
    try await database.write { [self] tx in try rows(tx).closeLanes(of: tenant) }
    var (count, last) = (0, [UInt8]())
    while true {
      try between()
      let found = try await database.read { [self, last] tx in
        try rows(tx).closed(tenant, after: last, limit: page)
      }
      guard let found else { break }
      last = found.last
      for begin in stride(from: 0, to: found.ids.count, by: step) {
        try between()
        let ids = Array(found.ids[begin..<min(begin + step, found.ids.count)])
        count += try await database.write { [self] tx in try rows(tx).erase(ids, of: tenant) }
      }
    }
    while try await database.write({ [self] tx in try rows(tx).eraseKeys(of: tenant, limit: step) }) == step {
      try between()
    }
    try await database.write { [self] tx in try rows(tx).eraseLanes(of: tenant) }
    _ = try await database.emptyLog()
    return count
  }
}
