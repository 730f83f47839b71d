// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// What a closure given to ``SQLiteDatabase/write(_:)`` or ``SQLiteDatabase/read(_:)`` works with.
///
/// All statements are prepared and cached; values are only ever bound, never pasted into the text. A transaction
/// ends with its closure: using it later throws ``StorageError/Code/misuse``. So do statements that begin or end
/// transactions and savepoints, as others share the commit.
///
/// ```swift
/// let id = try await database.write { tx in
///   try tx.execute("INSERT INTO note(author, body) VALUES(?1, ?2)", author, body)
///   return tx.lastInsertedRowID
/// }
/// ```
public final class SQLiteTransaction {
  private let connection: SQLiteConnection
  private var isOpen = true
  /// Whether statements that write are refused, as they are by the connections that only read.
  var readsOnly = false
  private var loose: [SQLiteStatement] = []
  private(set) var commitActions: [@Sendable () -> Void] = []

  init(_ connection: SQLiteConnection) { self.connection = connection }

  /// Rows changed by the most recent `INSERT`, `UPDATE` or `DELETE`.
  public var changes: Int { isOpen ? connection.changes : 0 }

  /// The row id of the most recent successful insert.
  public var lastInsertedRowID: Int64 { isOpen ? connection.lastInsertedRowID : 0 }

  /// Prepares a statement to run many times in this transaction.
  ///
  /// - Parameter sql: One statement, with parameters `?1`, `?2`, …
  /// - Returns: The statement, from the connection's cache where possible.
  /// - Throws: ``StorageError`` with code ``StorageError/Code/misuse`` for wrong SQL.
  public func prepare(_ sql: String) throws(StorageError) -> SQLiteStatement {
    guard isOpen else { throw StorageError(.misuse, "a transaction was used after it ended") }
    let (statement, isCached) = try connection.statement(sql)
    if !isCached { loose.append(statement) }
    guard !statement.controlsTransactions else {
      throw StorageError(
        .misuse,
        "“\(sql)” would begin or end a transaction, which others may share; return from the closure to commit, throw to undo"
      )
    }
    guard !readsOnly || statement.isReadOnly else {
      throw StorageError(.readOnly, "“\(sql)” writes, which a read can't: use write")
    }
    return statement
  }

  /// Runs one statement and ignores any rows.
  ///
  /// - Parameters:
  ///   - sql: One statement, with parameters `?1`, `?2`, …
  ///   - bindings: One value for each parameter.
  /// - Returns: How many rows the statement changed.
  /// - Throws: ``StorageError``.
  @discardableResult
  public func execute(_ sql: String, _ bindings: any SQLiteBindable...) throws -> Int {
    let statement = try prepare(sql)
    try statement.run(bindings)
    return statement.isReadOnly ? 0 : connection.changes
  }

  /// Runs one statement with its values in an array, for statements made at run time.
  ///
  /// - Parameters:
  ///   - sql: One statement, with parameters `?1`, `?2`, …
  ///   - values: One value for each parameter.
  /// - Returns: How many rows the statement changed.
  /// - Throws: ``StorageError``.
  @discardableResult
  public func execute(_ sql: String, values: [SQLiteValue]) throws -> Int {
    let statement = try prepare(sql)
    try statement.run(values)
    return statement.isReadOnly ? 0 : connection.changes
  }

  /// Runs one statement and turns each row into a value.
  ///
  /// - Parameters:
  ///   - sql: One statement, with parameters `?1`, `?2`, …
  ///   - bindings: One value for each parameter.
  ///   - transform: Reads one row; it may run other statements.
  /// - Returns: What `transform` returned, in the order of the rows.
  /// - Throws: ``StorageError``, or what `transform` throws.
  public func query<T>(
    _ sql: String,
    _ bindings: any SQLiteBindable...,
    transform: (SQLiteRow) throws -> T
  ) throws -> [T] {
    try prepare(sql).query(bindings, transform: transform)
  }

  /// Runs one statement with its values in an array and turns each row into a value.
  ///
  /// - Parameters:
  ///   - sql: One statement, with parameters `?1`, `?2`, …
  ///   - values: One value for each parameter.
  ///   - transform: Reads one row; it may run other statements.
  /// - Returns: What `transform` returned, in the order of the rows.
  /// - Throws: ``StorageError``, or what `transform` throws.
  public func query<T>(_ sql: String, values: [SQLiteValue], transform: (SQLiteRow) throws -> T) throws -> [T]
  {
    try prepare(sql).query(values, transform: transform)
  }

  /// Runs one statement and reads its first row.
  ///
  /// - Parameters:
  ///   - sql: One statement, with parameters `?1`, `?2`, …
  ///   - bindings: One value for each parameter.
  ///   - transform: Reads the row.
  /// - Returns: What `transform` returned, or `nil` when there was no row.
  /// - Throws: ``StorageError``, or what `transform` throws.
  public func first<T>(
    _ sql: String,
    _ bindings: any SQLiteBindable...,
    transform: (SQLiteRow) throws -> T
  ) throws -> T? {
    try prepare(sql).first(bindings, transform: transform)
  }

  /// Runs a script of several statements without parameters, such as a schema.
  ///
  /// - Parameter sql: Statements separated by semicolons; never put values into it.
  /// - Throws: ``StorageError``.
  public func executeScript(_ sql: String) throws(StorageError) {
    guard isOpen else { throw StorageError(.misuse, "a transaction was used after it ended") }
    guard !readsOnly else { throw StorageError(.readOnly, "a script writes, which a read can't: use write") }
    try connection.executeScriptWithinTransaction(sql)
  }

  /// Has something done once what this transaction wrote is committed; never when it is undone.
  ///
  /// The action runs on the writer's thread, before the caller of ``SQLiteDatabase/write(_:)`` is resumed, so it must not
  /// block or wait: send a hint, count something.
  ///
  /// - Parameter action: What to do; in a transaction that only reads it is dropped.
  public func onCommit(_ action: @escaping @Sendable () -> Void) {
    if isOpen { commitActions.append(action) }
  }

  func end() {
    isOpen = false
    for statement in loose { statement.finalize() }
    loose = []
    connection.finalizeRetired()
  }
}
