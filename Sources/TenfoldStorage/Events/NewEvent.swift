// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// An event as it is handed to a log.
public struct NewEvent: Hashable, Sendable {
  /// What kind of event this is, with its version: `"answered.v1"`.
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
}
