// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// A question as the query log keeps it.
public struct LoggedQuery: Hashable, Sendable, Codable {
  /// Whose question it was; not empty.
  public var tenant: TenantID
  /// The request that it came with.
  public var request: RequestID
  /// What was asked.
  public var text: String
  /// Who answered: a cache, or a model's tier.
  public var source: String
  /// How long the answer took.
  public var elapsed: Duration
  /// When, in nanoseconds since 1970.
  public var time: Int64

  /// Creates an entry.
  ///
  /// - Parameters:
  ///   - tenant: Whose question it was.
  ///   - request: The request that it came with.
  ///   - text: What was asked.
  ///   - source: Who answered.
  ///   - elapsed: How long the answer took.
  ///   - time: When, in nanoseconds since 1970.
  public init(
    tenant: TenantID,
    request: RequestID,
    text: String,
    source: String,
    elapsed: Duration,
    time: Int64 = WallClock.nanoseconds()
  ) {
    self.tenant = tenant
    self.request = request
    self.text = text
    self.source = source
    self.elapsed = elapsed
    self.time = time
  }
}
