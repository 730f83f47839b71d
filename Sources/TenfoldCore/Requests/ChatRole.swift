// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Who speaks in a ``ChatMessage``.
public struct ChatRole: Hashable, Sendable, Codable, CustomStringConvertible {
  /// The role's name in chat templates and chat APIs.
  public let rawValue: String

  /// Creates a role by name; models know only those their template was trained with.
  public init(_ rawValue: String) { self.rawValue = rawValue }

  /// Instructions of the host.
  public static let system = Self("system")
  /// The person who asks.
  public static let user = Self("user")
  /// The model.
  public static let assistant = Self("assistant")
  /// The result of a tool call.
  public static let tool = Self("tool")

  /// The raw value.
  public var description: String { rawValue }
}
