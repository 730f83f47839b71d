// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// One turn of a conversation.
///
/// The content is data: control-token text in it, such as `<|im_start|>`, stays plain text in every model.
public struct ChatMessage: Hashable, Sendable, Codable {
  /// Who speaks.
  public var role: ChatRole
  /// What is said.
  public var content: String

  /// Creates a turn.
  public init(role: ChatRole, content: String) {
    self.role = role
    self.content = content
  }

  /// A turn with the host's instructions.
  public static func system(_ content: String) -> Self { Self(role: .system, content: content) }
  /// A turn of the person who asks.
  public static func user(_ content: String) -> Self { Self(role: .user, content: content) }
  /// A turn of the model.
  public static func assistant(_ content: String) -> Self { Self(role: .assistant, content: content) }
}
