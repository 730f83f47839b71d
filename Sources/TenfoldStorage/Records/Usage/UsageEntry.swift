// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// One model call as a ledger books it.
public struct UsageEntry: Hashable, Sendable, Codable {
  /// Whose call it was; not empty.
  public var tenant: TenantID
  /// The request that it was made for.
  public var request: RequestID
  /// The model, the tokens and the cost.
  public var call: ModelCall
  /// When, in nanoseconds since 1970.
  public var time: Int64

  /// Creates an entry.
  ///
  /// - Parameters:
  ///   - tenant: Whose call it was.
  ///   - request: The request that it was made for.
  ///   - call: The model, the tokens and the cost.
  ///   - time: When, in nanoseconds since 1970.
  public init(
    tenant: TenantID,
    request: RequestID,
    call: ModelCall,
    time: Int64 = WallClock.nanoseconds()
  ) {
    self.tenant = tenant
    self.request = request
    self.call = call
    self.time = time
  }
}
