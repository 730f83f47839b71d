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

  /// Whether two names have the same bytes.
  ///
  /// - Parameters:
  ///   - left: A document's name.
  ///   - right: Another.
  /// - Returns: Whether they are the same.
  public static func == (left: Self, right: Self) -> Bool { left.rawValue.hasSameBytes(as: right.rawValue) }

  /// Orders identifiers by their bytes.
  ///
  /// - Parameters:
  ///   - left: A document's name.
  ///   - right: Another.
  /// - Returns: Whether the first comes before the second.
  public static func < (left: Self, right: Self) -> Bool {
    left.rawValue.utf8.lexicographicallyPrecedes(right.rawValue.utf8)
  }

  /// The raw value.
  public var description: String { rawValue }
}
