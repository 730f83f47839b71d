// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A view computed from an event log, kept in tables of its own.
///
/// The position is stored in the same transaction as the data, so that each event is applied exactly once, whatever
/// crashes. A new ``version`` is computed anew from the first event, beside the old one's tables, and takes over with
/// ``SQLiteEventLog/takeOver(_:batch:)`` once it has seen every event.
///
/// ```swift
/// struct AnswersPerChat: Projection {
///   let name = "answers_per_chat"
///   let version = 1
///   func prepare(in tx: SQLiteTransaction) throws {
///     try tx.execute("CREATE TABLE IF NOT EXISTS answers_1(chat TEXT PRIMARY KEY, count INTEGER NOT NULL)")
///   }
///   func apply(_ event: StoredEvent, in tx: SQLiteTransaction) throws {
///     try tx.execute("INSERT INTO answers_1 VALUES(?1, 1) ON CONFLICT DO UPDATE SET count = count + 1", event.subject)
///   }
/// }
/// ```
public protocol Projection: Sendable {
  /// The projection's name, the same for all versions.
  var name: String { get }
  /// Rises when the way of computing changes; put it into the tables' names.
  var version: Int { get }
  /// Creates the tables; called before the first event of each catching up.
  func prepare(in transaction: SQLiteTransaction) throws
  /// Applies one event; it must depend on the event and the projection's tables only.
  func apply(_ event: StoredEvent, in transaction: SQLiteTransaction) throws
  /// Deletes the tables, once another version has taken over; by default they are left.
  func discard(in transaction: SQLiteTransaction) throws
}

extension Projection {
  /// Leaves the tables.
  public func discard(in transaction: SQLiteTransaction) throws {}
}
