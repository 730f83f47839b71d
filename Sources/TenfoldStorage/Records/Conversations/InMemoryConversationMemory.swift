// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
public import TenfoldCore

/// Conversations in memory: for tests, and where they may be lost with the process.
///
/// ```swift
/// let memory = InMemoryConversationMemory()
/// try await memory.append([ConversationTurn(.user("Hello"))], to: "chat-7", of: "acme")
/// ```
public final class InMemoryConversationMemory: ConversationMemory {
  private struct State {
    var turns: [TenantID: [ConversationID: [ConversationTurn]]] = [:]
    var writes: Int64 = 0
  }

  private let state = Mutex(State())

  /// Creates a memory without conversations.
  public init() {}

  /// Adds turns to a conversation's end, in memory only.
  ///
  /// - Parameters:
  ///   - turns: At least one, in order.
  ///   - conversation: Which.
  ///   - tenant: Whose; not empty.
  /// - Returns: What a read must include to see them.
  /// - Throws: ``StorageError`` with code ``StorageError/Code/invalidOption`` for no turns or no tenant.
  @discardableResult
  public func append(
    _ turns: [ConversationTurn],
    to conversation: ConversationID,
    of tenant: TenantID
  ) async throws -> WriteToken {
    try StorageError.require(tenant != "", "tenant", "not empty")
    try StorageError.require(!turns.isEmpty, "turns", "at least one")
    return state.withLock { state in
      state.turns[tenant, default: [:]][conversation, default: []] += turns
      state.writes += Int64(turns.count)
      return WriteToken(state.writes)
    }
  }

  /// The end of a conversation.
  ///
  /// - Parameters:
  ///   - conversation: Which.
  ///   - tenant: Whose.
  ///   - count: How many turns at most.
  ///   - consistency: Makes no difference: everything is here.
  /// - Returns: The newest turns, oldest first.
  /// - Throws: Never.
  public func turns(
    of conversation: ConversationID,
    for tenant: TenantID,
    last count: Int,
    _ consistency: ReadConsistency
  ) async throws -> [ConversationTurn] {
    state.withLock { Array(($0.turns[tenant]?[conversation] ?? []).suffix(max(0, count))) }
  }

  /// Deletes the turns that were said before a time.
  ///
  /// - Parameter time: The first time that is kept, in nanoseconds since 1970.
  /// - Throws: Never.
  public func forget(before time: Int64) async throws {
    state.withLock { state in
      state.turns = state.turns.compactMapValues { conversations in
        let kept = conversations.mapValues { turns in turns.filter { $0.time >= time } }.filter {
          !$0.value.isEmpty
        }
        return kept.isEmpty ? nil : kept
      }
    }
  }

  /// Deletes all that is kept of a tenant.
  ///
  /// - Parameter tenant: Whose conversations.
  /// - Returns: What a read must include to see nothing of it.
  /// - Throws: ``StorageError`` with code ``StorageError/Code/invalidOption`` for an empty tenant.
  @discardableResult
  public func erase(_ tenant: TenantID) async throws -> WriteToken {
    try StorageError.require(tenant != "", "tenant", "not empty")
    return state.withLock { state in
      state.turns[tenant] = nil
      state.writes += 1
      return WriteToken(state.writes)
    }
  }
}
