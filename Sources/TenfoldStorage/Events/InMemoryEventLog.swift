// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
public import TenfoldCore

/// An event log in memory: for tests, and for events that may be lost with the process.
///
/// ```swift
/// let log = InMemoryEventLog()
/// let token = try await log.append([NewEvent(kind: "answered.v1", subject: "chat-7", payload: bytes)])
/// ```
public final class InMemoryEventLog: EventLog {
  private struct State {
    var events: [StoredEvent] = []
    var last: Int64 = 0
  }

  private let state = Mutex(State())
  private let hub = HintHub<Void>()

  /// Creates an empty log.
  public init() {}

  /// Appends events in order, in memory only.
  ///
  /// - Parameter events: At least one event.
  /// - Returns: The sequence of the last one.
  /// - Throws: ``StorageError`` with code ``StorageError/Code/invalidOption`` for no events.
  public func append(_ events: [NewEvent]) async throws -> Int64 {
    try NewEvent.check(events)
    let last = state.withLock { Self.append(events, to: &$0) }
    hub.send(())
    return last
  }

  /// Reads events in order.
  ///
  /// - Parameters:
  ///   - sequence: Only events after this one.
  ///   - limit: How many at most.
  /// - Returns: The events.
  /// - Throws: Never.
  /// - Complexity: O(log *n*) plus the events given.
  public func events(after sequence: Int64, limit: Int) async throws -> [StoredEvent] {
    state.withLock { state in
      var (low, high) = (0, state.events.count)
      while low < high {
        let middle = (low + high) / 2
        if state.events[middle].sequence <= sequence { low = middle + 1 } else { high = middle }
      }
      return Array(state.events[low...].prefix(max(0, limit)))
    }
  }

  /// The newest event's position.
  ///
  /// - Returns: Its sequence, 0 when there never was an event.
  /// - Throws: Never.
  public func latest() async throws -> Int64 { state.withLock { $0.last } }

  /// Deletes the events of a tenant and appends one that says so.
  ///
  /// - Parameter tenant: Whose events.
  /// - Returns: The sequence of the event that says so.
  /// - Throws: ``StorageError`` with code ``StorageError/Code/invalidOption`` for an empty tenant.
  public func erase(_ tenant: TenantID) async throws -> Int64 {
    guard tenant != "" else { throw StorageError(.invalidOption, "erase needs the name of a tenant") }
    let last = state.withLock { state in
      state.events.removeAll { $0.tenant == tenant }
      let event = NewEvent(kind: StoredEvent.erasure, subject: tenant.rawValue, payload: [])
      return Self.append([event], to: &state)
    }
    hub.send(())
    return last
  }

  /// Deletes the events up to a position.
  ///
  /// - Parameter sequence: The last event to delete.
  /// - Throws: Never.
  public func trim(through sequence: Int64) async throws {
    state.withLock { state in state.events.removeAll { $0.sequence <= sequence } }
  }

  /// Hints that events were appended.
  public var hints: AsyncStream<Void> { hub.stream() }

  private static func append(_ events: [NewEvent], to state: inout State) -> Int64 {
    for event in events {
      state.last += 1
      state.events.append(
        StoredEvent(
          sequence: state.last,
          kind: event.kind,
          subject: event.subject,
          payload: event.payload,
          tenant: event.tenant
        )
      )
    }
    return state.last
  }
}
