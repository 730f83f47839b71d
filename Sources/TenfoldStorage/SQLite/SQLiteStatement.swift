// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

internal import CTenfoldSQLite

/// A prepared statement of one transaction, to be run many times without looking it up again.
///
/// It belongs to the transaction that made it and must not leave it.
///
/// ```swift
/// try await database.write { tx in
///   let insert = try tx.prepare("INSERT INTO note(id, body) VALUES(?1, ?2)")
///   for note in notes { try insert.run(note.id, note.body) }
/// }
/// ```
@safe
public final class SQLiteStatement {
  /// The text of the statement.
  public let sql: String
  private let isASCII: Bool
  private let connection: SQLiteConnection
  // Valid until finalize(), which only the owning connection's thread calls.
  private var handle: OpaquePointer?
  private let parameterCount: Int
  let columnCount: Int
  /// Between its first step and its reset: the cache must not hand it out again.
  private(set) var isBusy = false
  /// The first failure to bind a value of the current run.
  private var bindStatus = SQLITE_OK
  let isReadOnly: Bool
  /// Whether it begins or ends a transaction or a savepoint.
  let controlsTransactions: Bool

  init(_ sql: String, on connection: SQLiteConnection) throws(StorageError) {
    self.sql = sql
    isASCII = sql.utf8.allSatisfy { $0 < 0x80 }
    controlsTransactions = Self.controlsTransactions(sql)
    self.connection = connection
    let (handle, hasTail) = try unsafe connection.prepare(sql)
    unsafe self.handle = handle
    parameterCount = unsafe Int(sqlite3_bind_parameter_count(handle))
    columnCount = unsafe Int(sqlite3_column_count(handle))
    isReadOnly = unsafe sqlite3_stmt_readonly(handle) != 0
    if hasTail {
      finalize()
      throw StorageError(.misuse, "“\(sql)” holds more than one statement; use executeScript for a script")
    }
  }

  /// Whether a statement begins or ends a transaction or a savepoint, by its first word.
  private static func controlsTransactions(_ sql: String) -> Bool {
    var bytes = sql.utf8[...]
    while let first = bytes.first {
      if [0x20, 0x09, 0x0A, 0x0C, 0x0D, 0x3B].contains(first) {
        bytes = bytes.dropFirst()
      } else if bytes.starts(with: "\u{FEFF}".utf8) {
        // SQLite takes a byte order mark for white space.
        bytes = bytes.dropFirst(3)
      } else if bytes.starts(with: "--".utf8) {
        bytes = bytes.drop { $0 != 0x0A }
      } else if bytes.starts(with: "/*".utf8) {
        bytes = bytes.dropFirst(2)
        while !bytes.isEmpty, !bytes.starts(with: "*/".utf8) { bytes = bytes.dropFirst() }
        bytes = bytes.dropFirst(2)
      } else {
        break
      }
    }
    // Letters differ from small ones in one bit; the longest of the words has nine.
    let word = bytes.prefix(10).map { $0 | 0x20 }.prefix { (0x61...0x7A).contains($0) }
    return transactionWords.contains { word.elementsEqual($0.utf8) }
  }

  private static let transactionWords: [String] = [
    "begin", "commit", "end", "rollback", "savepoint", "release",
  ]

  /// Whether an equal text has the same bytes: SQLite tells “é” in one code point from “é” in two, a string doesn't.
  func isSpelled(_ equal: String) -> Bool {
    // Whatever else stands for a character of ASCII takes more bytes.
    isASCII ? sql.utf8.count == equal.utf8.count : sql.utf8.elementsEqual(equal.utf8)
  }

  /// Runs the statement to its end and ignores any rows.
  ///
  /// - Parameter bindings: One value for each parameter, in order of their numbers.
  /// - Throws: ``StorageError``.
  public func run(_ bindings: any SQLiteBindable...) throws { try run(bindings) }

  /// Runs the statement and turns each row into a value.
  ///
  /// - Parameters:
  ///   - bindings: One value for each parameter, in order of their numbers.
  ///   - transform: Reads one row.
  /// - Returns: What `transform` returned, in the order of the rows.
  /// - Throws: ``StorageError``, or what `transform` throws.
  public func query<T>(_ bindings: any SQLiteBindable..., transform: (SQLiteRow) throws -> T) throws -> [T] {
    try query(bindings, transform: transform)
  }

  func run(_ bindings: [any SQLiteBindable]) throws {
    try begin(bindings)
    defer { reset() }
    while try step() {}
  }

  func query<T>(_ bindings: [any SQLiteBindable], transform: (SQLiteRow) throws -> T) throws -> [T] {
    try begin(bindings)
    defer { reset() }
    var rows: [T] = []
    while try step() { rows.append(try transform(SQLiteRow(statement: self))) }
    return rows
  }

  func first<T>(_ bindings: [any SQLiteBindable], transform: (SQLiteRow) throws -> T) throws -> T? {
    try begin(bindings)
    defer { reset() }
    return try step() ? try transform(SQLiteRow(statement: self)) : nil
  }

  // MARK: - Columns of the current row

  func type(of column: Int) -> Int32 {
    guard column >= 0, column < columnCount else { return SQLITE_NULL }
    return unsafe sqlite3_column_type(handle, Int32(column))
  }

  package func integer(_ column: Int) -> Int64 { unsafe sqlite3_column_int64(handle, Int32(column)) }

  func real(_ column: Int) -> Double { unsafe sqlite3_column_double(handle, Int32(column)) }

  package func text(_ column: Int) -> String {
    guard let bytes = unsafe sqlite3_column_text(handle, Int32(column)) else { return "" }
    let count = unsafe Int(sqlite3_column_bytes(handle, Int32(column)))
    // SQLite owns the bytes until the next step; the String copies them now.
    return unsafe String(decoding: UnsafeBufferPointer(start: bytes, count: count), as: UTF8.self)
  }

  package func blob(_ column: Int) -> [UInt8] {
    guard let bytes = unsafe sqlite3_column_blob(handle, Int32(column)) else { return [] }
    let count = unsafe Int(sqlite3_column_bytes(handle, Int32(column)))
    // As above: copied before the next step.
    return unsafe [UInt8](UnsafeRawBufferPointer(start: bytes, count: count))
  }

  // MARK: - Step by step, for hot paths

  /// Begins a run: bind every parameter next, then call ``next()`` until it gives `false`, then ``end()``.
  package func start() throws(StorageError) {
    guard unsafe handle != nil else {
      throw StorageError(.misuse, "“\(sql)” was used after its transaction ended")
    }
    guard !isBusy else {
      throw StorageError(.misuse, "“\(sql)” was run again while its rows were being read")
    }
    isBusy = true
    bindStatus = SQLITE_OK
  }

  /// Binds an integer; a failure shows in ``next()``.
  package func bind(_ index: Int32, _ value: Int64) {
    note(unsafe sqlite3_bind_int64(handle, index, value))
  }

  /// Binds text; a failure shows in ``next()``.
  package func bind(_ index: Int32, _ value: String) { note(bind(.text(value), at: index)) }

  /// Binds bytes or null; a failure shows in ``next()``.
  package func bind(_ index: Int32, _ value: [UInt8]?) {
    note(bind(value.map { .blob($0) } ?? .null, at: index))
  }

  /// Binds the 16 big-endian bytes of two integers; a failure shows in ``next()``.
  package func bind(_ index: Int32, high: UInt64, low: UInt64) {
    let status = unsafe withUnsafeBytes(of: (high.bigEndian, low.bigEndian)) { bytes in
      // SQLite copies the bytes before the call returns.
      unsafe sqlite3_bind_blob64(handle, index, bytes.baseAddress, 16, tenfold_sqlite_transient())
    }
    note(status)
  }

  /// Goes to the next row; `false` after the last one.
  package func next() throws(StorageError) -> Bool {
    guard bindStatus == SQLITE_OK else { throw connection.error(bindStatus, "binding values of “\(sql)”") }
    return try step()
  }

  /// Makes the statement ready for its next run.
  package func end() {
    unsafe sqlite3_reset(handle)
    isBusy = false
  }

  /// A column of 16 bytes as two big-endian integers; `nil` for anything else.
  package func bytes16(_ column: Int) -> (high: UInt64, low: UInt64)? {
    guard let bytes = unsafe sqlite3_column_blob(handle, Int32(column)),
      unsafe sqlite3_column_bytes(handle, Int32(column)) == 16
    else { return nil }
    // As above: read before the next step.
    let high = unsafe bytes.loadUnaligned(as: UInt64.self)
    let low = unsafe bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
    return (UInt64(bigEndian: high), UInt64(bigEndian: low))
  }

  private func note(_ status: Int32) { if status != SQLITE_OK { bindStatus = status } }

  // MARK: - Life of the handle

  func finalize() {
    if let handle = unsafe handle { unsafe sqlite3_finalize(handle) }
    unsafe handle = nil
    isBusy = false
  }

  private func begin(_ bindings: [any SQLiteBindable]) throws(StorageError) {
    guard unsafe handle != nil else {
      throw StorageError(.misuse, "“\(sql)” was used after its transaction ended")
    }
    guard !isBusy else {
      throw StorageError(.misuse, "“\(sql)” was run again while its rows were being read")
    }
    guard bindings.count == parameterCount else {
      throw StorageError(.misuse, "“\(sql)” has \(parameterCount) parameters, got \(bindings.count) values")
    }
    isBusy = true
    for (index, binding) in bindings.enumerated() {
      let status = bind(binding.sqliteValue, at: Int32(index + 1))
      if status != SQLITE_OK {
        let error = connection.error(status, "binding value \(index + 1) of “\(sql)”")
        reset()
        throw error
      }
    }
  }

  private func bind(_ value: SQLiteValue, at index: Int32) -> Int32 {
    switch value {
    case .null: return unsafe sqlite3_bind_null(handle, index)
    case .integer(let integer): return unsafe sqlite3_bind_int64(handle, index, integer)
    case .real(let real): return unsafe sqlite3_bind_double(handle, index, real)
    case .text(var text):
      return text.withUTF8 { utf8 in
        // SQLite copies the bytes before the call returns.
        unsafe utf8.withMemoryRebound(to: CChar.self) { bytes in
          var empty: CChar = 0
          guard let base = bytes.baseAddress else {
            return unsafe sqlite3_bind_text64(
              handle,
              index,
              &empty,
              0,
              tenfold_sqlite_transient(),
              UInt8(SQLITE_UTF8)
            )
          }
          return unsafe sqlite3_bind_text64(
            handle,
            index,
            base,
            UInt64(bytes.count),
            tenfold_sqlite_transient(),
            UInt8(SQLITE_UTF8)
          )
        }
      }
    case .blob(let blob):
      guard !blob.isEmpty else { return unsafe sqlite3_bind_zeroblob(handle, index, 0) }
      return unsafe blob.withUnsafeBytes { bytes in
        // SQLite copies the bytes before the call returns.
        unsafe sqlite3_bind_blob64(
          handle,
          index,
          bytes.baseAddress,
          UInt64(bytes.count),
          tenfold_sqlite_transient()
        )
      }
    }
  }

  private func step() throws(StorageError) -> Bool {
    let status = unsafe sqlite3_step(handle)
    switch status {
    case SQLITE_ROW: return true
    case SQLITE_DONE: return false
    default: throw connection.error(status, "running “\(sql)”")
    }
  }

  private func reset() {
    unsafe sqlite3_reset(handle)
    unsafe sqlite3_clear_bindings(handle)
    isBusy = false
  }
}
