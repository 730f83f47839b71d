// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// The projection behind ``SQLiteConversationMemory``, in the log's file and in replicas: one row for each turn.
struct ConversationTable: RecordTable {
  static let kind = "turn.v1"
  static let forgotten = "turns-forgotten.v1"
  static let table = "conversation_turn_1"
  static let sql = """
    CREATE TABLE IF NOT EXISTS conversation_turn_1(
      sequence INTEGER PRIMARY KEY, tenant TEXT NOT NULL, conversation TEXT NOT NULL, time INTEGER NOT NULL,
      role TEXT NOT NULL, content TEXT NOT NULL) STRICT;
    CREATE INDEX IF NOT EXISTS conversation_turn_1_end ON conversation_turn_1(tenant, conversation, sequence);
    CREATE INDEX IF NOT EXISTS conversation_turn_1_time ON conversation_turn_1(time);
    """

  let name = "conversation_turns"
  let version = 1

  func prepare(in tx: SQLiteTransaction) throws { try tx.executeScript(Self.sql) }

  func apply(_ event: StoredEvent, in tx: SQLiteTransaction) throws {
    guard try !deletes(event, in: tx), event.kind == Self.kind else { return }
    let turn = try RecordCoding.decode(ConversationTurn.self, from: event)
    try tx.execute(
      "INSERT INTO conversation_turn_1 VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
      event.sequence,
      event.tenant.rawValue,
      event.subject,
      turn.time,
      turn.message.role.rawValue,
      turn.message.content
    )
  }

  static func turns(
    of conversation: ConversationID,
    for tenant: TenantID,
    last count: Int,
    in tx: SQLiteTransaction
  ) throws -> [ConversationTurn] {
    try tx.query(
      """
      SELECT role, content, time FROM conversation_turn_1 WHERE tenant = ?1 AND conversation = ?2
      ORDER BY sequence DESC LIMIT ?3
      """,
      tenant.rawValue,
      conversation.rawValue,
      max(0, count)
    ) { row in
      ConversationTurn(
        ChatMessage(role: ChatRole(try row.text(0)), content: try row.text(1)),
        time: try row.int64(2)
      )
    }.reversed()
  }
}
