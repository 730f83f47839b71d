// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

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
      try await log.takeOver(view)
    }
  }
}

/// What an event says that makes a projection forget its old records.
struct Forgetting: Codable {
  /// The first time that is kept, in nanoseconds since 1970.
  var before: Int64
}

extension RecordView {
  /// Deletes the records of a table with columns `sequence` and `time`, with their events, and says so by an event.
  ///
  /// In several commits, so that writers needn't wait for long; killed in between, it goes on when it is called again.
  func forget(before time: Int64, table: String, kind: String) async throws {
    try await catchUp()
    while true {
      let count = try await log.database.write { tx in
        let old = try tx.query("SELECT sequence FROM \(table) WHERE time < ?1 LIMIT 1000", time) {
          try $0.int64(0)
        }
        for sequence in old {
          try tx.execute("DELETE FROM event WHERE sequence = ?1", sequence)
          try tx.execute("DELETE FROM \(table) WHERE sequence = ?1", sequence)
        }
        return old.count
      }
      if count < 1000 { break }
    }
    // Replicas, and other versions, follow by this.
    let payload = try RecordCoding.encode(Forgetting(before: time), what: "a retention")
    _ = try await log.append([NewEvent(kind: kind, subject: "", payload: payload)])
  }
}
