// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The name under which a kind of job is stored, with its version: `"embed.v2"`.
///
/// The name outlives builds: change it when old payloads can no longer be decoded.
public struct JobName: Hashable, Sendable, Codable, ExpressibleByStringLiteral, CustomStringConvertible {
  /// The name as stored.
  public let rawValue: String

  /// Creates a name.
  public init(_ rawValue: String) { self.rawValue = rawValue }

  /// Creates a name from a literal.
  public init(stringLiteral value: String) { rawValue = value }

  /// The name as stored.
  public var description: String { rawValue }
}
