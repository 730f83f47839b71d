// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// An event as the log keeps it.
public struct StoredEvent: Hashable, Sendable {
  /// The position in the log, from 1: it rises by one with each event; erased and trimmed events leave gaps.
  public let sequence: Int64
  /// What kind of event this is, with its version: `"answered.v1"`.
  public let kind: String
  /// What the event is about: events of one subject keep their order under any sharding.
  public let subject: String
  /// The encoded event.
  public let payload: [UInt8]
  /// Whose event this is; empty for nobody's.
  public let tenant: TenantID

  /// The kind of the event that says that the tenant named by its subject was erased.
  public static let erasure = "tenant-erased.v1"

  /// Creates an event.
  ///
  /// - Parameters:
  ///   - sequence: The position in the log.
  ///   - kind: What kind of event this is.
  ///   - subject: What the event is about.
  ///   - payload: The encoded event.
  ///   - tenant: Whose event this is.
  public init(sequence: Int64, kind: String, subject: String, payload: [UInt8], tenant: TenantID = "") {
    self.tenant = tenant
    self.sequence = sequence
    self.kind = kind
    self.subject = subject
    self.payload = payload
  }
}
