// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Whose request this is: the unit of isolation, budgets and fairness.
///
/// Nothing that one tenant caused (a cached answer, a reused beginning of a prompt, a queue position) is visible to
/// another. Which documents of a collection a tenant may see the host says, with `DocumentAccess` of `TenfoldRetrieval`.
///
/// Two are equal if their names have the same bytes, as databases compare: “é” in one code point and “é” in two are
/// different tenants. Give all names in one form.
public struct TenantID: Hashable, Sendable, Codable, ExpressibleByStringLiteral, CustomStringConvertible {
  /// The host's own name for the tenant.
  public let rawValue: String

  /// Creates an identifier from the host's own name for the tenant.
  public init(_ rawValue: String) { self.rawValue = rawValue }

  /// Creates an identifier from a literal.
  public init(stringLiteral value: String) { self.rawValue = value }

  /// The raw value.
  public var description: String { rawValue }

  /// Whether two names have the same bytes.
  ///
  /// - Parameters:
  ///   - left: A tenant.
  ///   - right: Another.
  /// - Returns: Whether they are the same.
  public static func == (left: Self, right: Self) -> Bool { left.rawValue.hasSameBytes(as: right.rawValue) }
}
