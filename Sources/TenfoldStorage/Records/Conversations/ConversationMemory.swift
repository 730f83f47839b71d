// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// Keeps what was said in conversations, so that the next request can go on from there on any machine.
///
/// Turns are only ever added. Run `ConversationMemoryContract` from TenfoldTesting against an implementation of your own.
///
/// ```swift
/// let token = try await memory.append([ConversationTurn(.user(question))], to: "chat-7", of: "acme")
/// let turns = try await memory.turns(of: "chat-7", for: "acme", last: 20, .includes(token))
/// let prompt = InferencePrompt.chat(turns.map(\.message))
/// ```
public protocol ConversationMemory: Sendable {
  /// Adds turns to a conversation's end, all or none; as durable as the memory promises when this returns.
  ///
  /// - Parameters:
  ///   - turns: At least one, in order.
  ///   - conversation: Which; it begins with its first turn.
  ///   - tenant: Whose; not empty.
  /// - Returns: What a read must include to see them.
  /// - Throws: ``StorageError``: then none was added.
  @discardableResult
  func append(
    _ turns: [ConversationTurn],
    to conversation: ConversationID,
    of tenant: TenantID
  ) async throws -> WriteToken

  /// The end of a conversation.
  ///
  /// - Parameters:
  ///   - conversation: Which.
  ///   - tenant: Whose: the same name is another conversation of another tenant.
  ///   - count: How many turns at most.
  ///   - consistency: How new what is read must be.
  /// - Returns: The newest turns, oldest first; none of a conversation that there isn't.
  /// - Throws: ``StorageError``, `CancellationError`.
  func turns(
    of conversation: ConversationID,
    for tenant: TenantID,
    last count: Int,
    _ consistency: ReadConsistency
  ) async throws -> [ConversationTurn]

  /// Deletes the turns that were said before a time.
  ///
  /// - Parameter time: The first time that is kept, in nanoseconds since 1970.
  /// - Throws: ``StorageError``.
  func forget(before time: Int64) async throws

  /// Deletes all that is kept of a tenant.
  ///
  /// - Parameter tenant: Whose conversations.
  /// - Returns: What a read must include to see nothing of it.
  /// - Throws: ``StorageError``.
  @discardableResult
  func erase(_ tenant: TenantID) async throws -> WriteToken
}
