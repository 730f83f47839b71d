// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// A projection of records, brought up to date by whoever reads it where nothing else has.
///
/// So a read includes all that was acknowledged before it, with or without a ``ProjectionRunner``; with one it rarely has
/// anything to do.
struct RecordView<View: Projection>: Sendable {
  let log: SQLiteEventLog
  let view: View

  /// Reads the projection's tables, all acknowledged events included.
  func read<Value: Sendable>(
    _ body: @escaping @Sendable (SQLiteTransaction) throws -> Value
  ) async throws -> Value {
    try await catchUp()
    return try await log.database.read(body)
  }

  func catchUp() async throws {
    let (isBehind, answering) = try await log.database.read { [view] tx in
      let position = try SQLiteEventLog.position(of: view, in: tx)
      return (
        position < (try SQLiteEventLog.latest(in: tx)), try SQLiteEventLog.current(view.name, in: tx)?.version
      )
    }
    // A newer build's version goes on answering; this build reads its own tables beside it.
    if let answering, answering > view.version {
      if isBehind { try await log.catchUp(view) }
    } else if isBehind || answering == nil || answering != view.version {
      try await log.takeOverFromOlder(view)
    }
  }

  /// Appends records' events; the sequence of the last.
  ///
  /// From the first on the projection holds back trimming, though nobody has read it yet.
  func append(_ events: [NewEvent]) async throws -> Int64 {
    try await log.database.write { [log, view] tx in
      try tx.execute(
        """
        INSERT INTO projection(name, version, position) SELECT ?1, ?2, 0
        WHERE NOT EXISTS(SELECT 1 FROM projection WHERE name = ?1)
        """,
        view.name,
        view.version
      )
      return try log.append(events, in: tx)
    }
  }

  /// Deletes a tenant's events and records; the sequence that says so.
  func erase(_ tenant: TenantID) async throws -> Int64 {
    let sequence = try await log.eraseEvents(of: tenant)
    try await catchUp()
    // Last, as catching up writes pages that held records.
    _ = try await log.database.emptyLog()
    return sequence
  }
}
