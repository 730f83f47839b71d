// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// An append-only list of what happened: the source that projections are made from.
///
/// ```swift
/// let last = try await log.append([NewEvent(kind: "answered.v1", subject: "chat-7", payload: bytes)])
/// let events = try await log.events(after: last - 1, limit: 100)
/// ```
public protocol EventLog: Sendable {
  /// Appends events in order, all or none; as durable as the log promises when this returns.
  ///
  /// - Parameter events: At least one event.
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
}
