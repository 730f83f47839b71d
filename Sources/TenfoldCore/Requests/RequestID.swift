// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The name of one request in logs, traces and provenance.
public struct RequestID: Hashable, Sendable, Codable, CustomStringConvertible {
  /// The identifier as text.
  public let rawValue: String

  /// Creates an identifier from one that the host already has.
  public init(_ rawValue: String) { self.rawValue = rawValue }

  /// Creates a new identifier of 64 random bits, written as 16 hexadecimal digits.
  public init() {
    let digits = String(UInt64.random(in: .min ... .max), radix: 16)
    self.rawValue = String(repeating: "0", count: 16 - digits.count) + digits
  }

  /// The raw value.
  public var description: String { rawValue }
}
