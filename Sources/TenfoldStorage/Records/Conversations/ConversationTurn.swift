// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// One turn of a conversation as the memory keeps it.
public struct ConversationTurn: Hashable, Sendable, Codable {
  /// Who said what.
  public var message: ChatMessage
  /// When, in nanoseconds since 1970.
  public var time: Int64

  /// Creates a turn.
  ///
  /// - Parameters:
  ///   - message: Who said what.
  ///   - time: When, in nanoseconds since 1970.
  public init(_ message: ChatMessage, time: Int64 = WallClock.nanoseconds()) {
    self.message = message
    self.time = time
  }
}
