// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The host's name for a conversation; names of different tenants don't meet.
public struct ConversationID: Hashable, Sendable, Codable, ExpressibleByStringLiteral, CustomStringConvertible
{
  /// The name.
  public let rawValue: String

  /// Creates an identifier from the host's own name for the conversation.
  public init(_ rawValue: String) { self.rawValue = rawValue }

  /// Creates an identifier from a literal.
  public init(stringLiteral value: String) { self.rawValue = value }

  /// The raw value.
  public var description: String { rawValue }

  /// Whether two names have the same bytes, which is how databases compare.
  ///
  /// - Parameters:
  ///   - left: A conversation's name.
  ///   - right: Another.
  /// - Returns: Whether they are the same.
  public static func == (left: Self, right: Self) -> Bool { left.rawValue.hasSameBytes(as: right.rawValue) }
}
