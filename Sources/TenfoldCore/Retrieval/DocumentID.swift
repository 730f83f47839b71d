// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The name of a document, given by the host.
public struct DocumentID: Hashable, Sendable, Codable, Comparable, ExpressibleByStringLiteral,
  CustomStringConvertible
{
  /// The host's own name for the document.
  public let rawValue: String

  /// Creates an identifier from the host's own name for the document.
  public init(_ rawValue: String) { self.rawValue = rawValue }

  /// Creates an identifier from a literal.
  public init(stringLiteral value: String) { self.rawValue = value }

  /// Orders identifiers as text.
  public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }

  /// The raw value.
  public var description: String { rawValue }
}
