// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A Swift value that can be bound to a parameter of a prepared statement.
///
/// ```swift
/// extension TenantID: SQLiteBindable {
///   public var sqliteValue: SQLiteValue { .text(rawValue) }
/// }
/// ```
public protocol SQLiteBindable {
  /// The value to bind.
  var sqliteValue: SQLiteValue { get }
}

extension Int: SQLiteBindable {
  /// The integer.
  public var sqliteValue: SQLiteValue { .integer(Int64(self)) }
}

extension Int64: SQLiteBindable {
  /// The integer.
  public var sqliteValue: SQLiteValue { .integer(self) }
}

extension Int32: SQLiteBindable {
  /// The integer.
  public var sqliteValue: SQLiteValue { .integer(Int64(self)) }
}

extension UInt32: SQLiteBindable {
  /// The integer.
  public var sqliteValue: SQLiteValue { .integer(Int64(self)) }
}

extension Bool: SQLiteBindable {
  /// 1 or 0.
  public var sqliteValue: SQLiteValue { .integer(self ? 1 : 0) }
}

extension Double: SQLiteBindable {
  /// The number; SQLite stores NaN as null.
  public var sqliteValue: SQLiteValue { .real(self) }
}

extension String: SQLiteBindable {
  /// The text.
  public var sqliteValue: SQLiteValue { .text(self) }
}

extension [UInt8]: SQLiteBindable {
  /// The bytes.
  public var sqliteValue: SQLiteValue { .blob(self) }
}

extension Optional: SQLiteBindable where Wrapped: SQLiteBindable {
  /// The wrapped value, or null.
  public var sqliteValue: SQLiteValue { self?.sqliteValue ?? .null }
}
