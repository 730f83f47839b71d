// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The host's own name for a batch: submitting again under the same name goes on with the same batch.
public struct BatchID: Hashable, Sendable, Codable, ExpressibleByStringLiteral, CustomStringConvertible {
  /// The name as stored.
  public let rawValue: String

  /// Creates an identifier from the host's own name for the batch.
  public init(_ rawValue: String) { self.rawValue = rawValue }

  /// Creates an identifier from a literal.
  public init(stringLiteral value: String) { rawValue = value }

  /// The name as stored.
  public var description: String { rawValue }
}
