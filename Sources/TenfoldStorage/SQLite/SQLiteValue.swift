// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A value as SQLite stores it.
public enum SQLiteValue: Hashable, Sendable, SQLiteBindable {
  /// No value.
  case null
  /// A 64-bit integer.
  case integer(Int64)
  /// A double-precision number.
  case real(Double)
  /// UTF-8 text.
  case text(String)
  /// Bytes.
  case blob([UInt8])

  /// The value itself.
  public var sqliteValue: SQLiteValue { self }
}
