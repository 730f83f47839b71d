// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// An event as it is handed to a log.
public struct NewEvent: Hashable, Sendable {
  /// What kind of event this is, with its version: `"answered.v1"`; ``StoredEvent/erasure`` is written by erasures alone.
  public var kind: String
  /// What the event is about.
  public var subject: String
  /// The encoded event.
  public var payload: [UInt8]
  /// Whose event this is, so that it can be erased with the tenant; empty for nobody's.
  public var tenant: TenantID

  /// Creates an event.
  ///
  /// - Parameters:
  ///   - kind: What kind of event this is.
  ///   - subject: What the event is about.
  ///   - payload: The encoded event.
  ///   - tenant: Whose event this is.
  public init(kind: String, subject: String, payload: [UInt8], tenant: TenantID = "") {
    self.tenant = tenant
    self.kind = kind
    self.subject = subject
    self.payload = payload
  }

  /// Checks events that a host appends.
  ///
  /// - Throws: ``StorageError`` with code ``StorageError/Code/invalidOption`` for none, or one that would erase a tenant's data
  ///   wherever it is read.
  static func check(_ events: [NewEvent]) throws(StorageError) {
    guard !events.isEmpty else { throw StorageError(.invalidOption, "append needs at least one event") }
    guard !events.contains(where: { $0.kind == StoredEvent.erasure }) else {
      throw StorageError(
        .invalidOption,
        "events of the kind “\(StoredEvent.erasure)” are written by erasures alone: call erase, or name the kind otherwise"
      )
    }
  }
}
