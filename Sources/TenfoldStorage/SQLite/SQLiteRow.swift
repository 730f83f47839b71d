// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

internal import CTenfoldSQLite

/// The current row of a query, readable only inside the closure that receives it.
///
/// Columns count from 0. Each accessor is strict: a column of another type throws instead of being converted.
///
/// ```swift
/// let notes = try await database.read { tx in
///   try tx.query("SELECT id, body FROM note WHERE author = ?1", author) { row in
///     (id: try row.int(0), body: try row.text(1))
///   }
/// }
/// ```
public struct SQLiteRow {
  let statement: SQLiteStatement

  /// How many columns the row has.
  public var columnCount: Int { statement.columnCount }

  /// Whether a column is null.
  ///
  /// - Parameter column: The column, from 0.
  /// - Returns: `true` for null, and for a column that doesn't exist.
  public func isNull(_ column: Int) -> Bool { statement.type(of: column) == SQLITE_NULL }

  /// Reads an integer.
  ///
  /// - Parameter column: The column, from 0.
  /// - Returns: The column's value.
  /// - Throws: ``StorageError`` with code ``StorageError/Code/typeMismatch``.
  public func int64(_ column: Int) throws(StorageError) -> Int64 {
    try expect(SQLITE_INTEGER, "an integer", column)
    return statement.integer(column)
  }

  /// Reads an integer.
  ///
  /// - Parameter column: The column, from 0.
  /// - Returns: The column's value.
  /// - Throws: ``StorageError`` with code ``StorageError/Code/typeMismatch``.
  public func int(_ column: Int) throws(StorageError) -> Int { Int(try int64(column)) }

  /// Reads an integer, or `nil` for null.
  ///
  /// - Parameter column: The column, from 0.
  /// - Returns: The column's value.
  /// - Throws: ``StorageError`` with code ``StorageError/Code/typeMismatch``.
  public func optionalInt64(_ column: Int) throws(StorageError) -> Int64? {
    if isNull(column) { return nil }
    return try int64(column)
  }

  /// Reads a truth value: any integer but 0 is `true`.
  ///
  /// - Parameter column: The column, from 0.
  /// - Returns: The column's value.
  /// - Throws: ``StorageError`` with code ``StorageError/Code/typeMismatch``.
  public func bool(_ column: Int) throws(StorageError) -> Bool { try int64(column) != 0 }

  /// Reads a number; an integer column is converted.
  ///
  /// - Parameter column: The column, from 0.
  /// - Returns: The column's value.
  /// - Throws: ``StorageError`` with code ``StorageError/Code/typeMismatch``.
  public func double(_ column: Int) throws(StorageError) -> Double {
    if statement.type(of: column) == SQLITE_INTEGER { return Double(statement.integer(column)) }
    try expect(SQLITE_FLOAT, "a number", column)
    return statement.real(column)
  }

  /// Reads text.
  ///
  /// - Parameter column: The column, from 0.
  /// - Returns: The column's value.
  /// - Throws: ``StorageError`` with code ``StorageError/Code/typeMismatch``.
  public func text(_ column: Int) throws(StorageError) -> String {
    try expect(SQLITE_TEXT, "text", column)
    return statement.text(column)
  }

  /// Reads text, or `nil` for null.
  ///
  /// - Parameter column: The column, from 0.
  /// - Returns: The column's value.
  /// - Throws: ``StorageError`` with code ``StorageError/Code/typeMismatch``.
  public func optionalText(_ column: Int) throws(StorageError) -> String? {
    if isNull(column) { return nil }
    return try text(column)
  }

  /// Copies bytes out.
  ///
  /// - Parameter column: The column, from 0.
  /// - Returns: The column's value.
  /// - Throws: ``StorageError`` with code ``StorageError/Code/typeMismatch``.
  public func blob(_ column: Int) throws(StorageError) -> [UInt8] {
    try expect(SQLITE_BLOB, "bytes", column)
    return statement.blob(column)
  }

  /// Copies bytes out, or returns `nil` for null.
  ///
  /// - Parameter column: The column, from 0.
  /// - Returns: The column's value.
  /// - Throws: ``StorageError`` with code ``StorageError/Code/typeMismatch``.
  public func optionalBlob(_ column: Int) throws(StorageError) -> [UInt8]? {
    if isNull(column) { return nil }
    return try blob(column)
  }

  /// Reads a column of any type.
  ///
  /// - Parameter column: The column, from 0.
  /// - Returns: The value; null for a column that doesn't exist.
  public func value(_ column: Int) -> SQLiteValue {
    switch statement.type(of: column) {
    case SQLITE_INTEGER: .integer(statement.integer(column))
    case SQLITE_FLOAT: .real(statement.real(column))
    case SQLITE_TEXT: .text(statement.text(column))
    case SQLITE_BLOB: .blob(statement.blob(column))
    default: .null
    }
  }

  private func expect(_ type: Int32, _ name: String, _ column: Int) throws(StorageError) {
    let found = statement.type(of: column)
    guard found == type else {
      let foundName =
        switch found {
        case SQLITE_INTEGER: "an integer"
        case SQLITE_FLOAT: "a number"
        case SQLITE_TEXT: "text"
        case SQLITE_BLOB: "bytes"
        default: column < columnCount ? "null" : "no such column"
        }
      throw StorageError(
        .typeMismatch,
        "column \(column) of “\(statement.sql)” holds \(foundName), not \(name)"
      )
    }
  }
}
