// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// An append-only list of what happened: the source that projections are made from.
///
/// ```swift
/// let last = try await log.append([NewEvent(kind: "answered.v1", subject: "chat-7", payload: bytes)])
/// let events = try await log.events(after: last - 1, limit: 100)
/// ```
public protocol EventLog: Sendable {
  /// Appends events in order, all or none; as durable as the log promises when this returns.
  ///
  /// - Parameter events: At least one event, none of the kind ``StoredEvent/erasure``.
  /// - Returns: The sequence of the last one: a token for reading one's own writes.
  /// - Throws: ``StorageError``.
  func append(_ events: [NewEvent]) async throws -> Int64

  /// Reads events in order.
  ///
  /// - Parameters:
  ///   - sequence: Only events after this one; 0 for the beginning.
  ///   - limit: How many at most.
  /// - Returns: The events; fewer than `limit` only at the end of the log.
  /// - Throws: ``StorageError``.
  func events(after sequence: Int64, limit: Int) async throws -> [StoredEvent]

  /// The newest event's position.
  ///
  /// - Returns: Its sequence, 0 when there never was an event.
  /// - Throws: ``StorageError``.
  func latest() async throws -> Int64

  /// Deletes the events of a tenant and appends one that says so: ``StoredEvent/erasure``, with the tenant as subject.
  ///
  /// Projections that hold something of the tenant delete it when they see that event. The sequence has gaps after it. An
  /// erasure that was interrupted is finished by calling it again.
  ///
  /// - Parameter tenant: Whose events.
  /// - Returns: The sequence of the event that says so.
  /// - Throws: ``StorageError`` with code ``StorageError/Code/invalidOption`` for an empty tenant; or another one.
  func erase(_ tenant: TenantID) async throws -> Int64

  /// Deletes the events up to a position: the retention of a log whose projections have all passed it.
  ///
  /// A projection that is computed anew afterwards starts from what is left.
  ///
  /// - Parameter sequence: The last event to delete.
  /// - Throws: ``StorageError``.
  func trim(through sequence: Int64) async throws

  /// Hints that events were appended; each call makes a stream of its own that ends with its consumer's task.
  ///
  /// A log that other processes also write to may miss theirs, so readers look again now and then.
  var hints: AsyncStream<Void> { get }
}
