// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

internal import CTenfoldSQLite

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// One SQLite connection, used by one thread only.
///
/// `@unchecked Sendable`: it is made on one thread and handed to the thread that owns it from then on; only that
/// thread touches it (SQLite is opened with `NOMUTEX`, which relies on the same promise).
@safe final class SQLiteConnection: @unchecked Sendable {
  // Valid until close(), which the owning thread calls last.
  private(set) var handle: OpaquePointer?
  private var statements: [String: SQLiteStatement] = [:]
  /// Out of the cache, but perhaps still used by the transaction that is open.
  private var retired: [SQLiteStatement] = []
  let path: String
  let log = LogSize()
  private let lockWait: LockWait

  /// Enough for every statement of all modules in one file; beyond it the cache starts afresh.
  private static let statementCapacity = 256

  init(
    path: String,
    isReader: Bool,
    busyTimeout: Duration,
    fileSystem: String? = nil
  ) throws(StorageError) {
    self.path = path
    lockWait = LockWait(limit: busyTimeout)
    var handle: OpaquePointer?
    let mode = isReader ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
    let flags = mode | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_PRIVATECACHE
    let status = unsafe sqlite3_open_v2(path, &handle, flags, fileSystem)
    unsafe self.handle = handle
    guard status == SQLITE_OK else {
      let error = self.error(status, "opening \(path)")
      close()
      throw error
    }
    // The connection owns what the handler writes to, and is closed before it goes.
    let context = unsafe Unmanaged.passUnretained(lockWait).toOpaque()
    unsafe sqlite3_busy_handler(
      handle,
      { context, tries in
        guard let context = unsafe context else { return 0 }
        return unsafe Unmanaged<LockWait>.fromOpaque(context).takeUnretainedValue().goesOn(tries) ? 1 : 0
      },
      context
    )
  }

  /// Waits for another connection's lock by trying again and again, as SQLite has no queue for it.
  ///
  /// SQLite's own handler tries ever more rarely, some sixty times in five seconds. Beside a process that writes all the
  /// time, and lets the lock go for a moment only, it comes away empty-handed.
  private final class LockWait {
    private let limit: Duration
    private var began = ContinuousClock.now

    init(limit: Duration) { self.limit = limit }

    func goesOn(_ tries: Int32) -> Bool {
      if tries == 0 { began = .now }
      guard ContinuousClock.now - began < limit else { return false }
      DedicatedThread.pause(microseconds: tries < 10 ? 100 : 1000)
      return true
    }
  }

  /// Whether no transaction is open: SQLite closes one by itself after some failures.
  var isAutocommit: Bool { unsafe sqlite3_get_autocommit(handle) != 0 }

  /// Rows changed by the most recent statement.
  var changes: Int { unsafe Int(sqlite3_changes64(handle)) }

  /// The row id of the most recent insert.
  var lastInsertedRowID: Int64 { unsafe sqlite3_last_insert_rowid(handle) }

  func close() {
    finalizeRetired()
    for statement in statements.values { statement.finalize() }
    statements = [:]
    if let handle = unsafe handle { unsafe sqlite3_close_v2(handle) }
    unsafe handle = nil
  }

  /// Hands the connection to its thread; it is closed where that fails.
  func closedOnFailure(_ handOver: () throws -> Void) throws {
    do { try handOver() } catch {
      close()
      throw error
    }
  }

  /// A statement from the cache, or a new one when the cached one is in the middle of its rows.
  func statement(_ sql: String) throws(StorageError) -> (statement: SQLiteStatement, isCached: Bool) {
    if let cached = statements[sql] {
      if !cached.isBusy, cached.isSpelled(sql) { return (cached, true) }
      return (try SQLiteStatement(sql, on: self), false)
    }
    let fresh = try SQLiteStatement(sql, on: self)
    if statements.count >= Self.statementCapacity {
      // The transaction may have kept any of them for later.
      retired += statements.values
      statements = [:]
    }
    statements[sql] = fresh
    return (fresh, true)
  }

  /// Ends the statements that left the cache; called at a transaction's end, after which nothing uses them.
  func finalizeRetired() {
    for statement in retired { statement.finalize() }
    retired = []
  }

  /// Runs one statement from the cache without rows, such as `BEGIN IMMEDIATE`.
  func run(_ sql: String) throws(StorageError) {
    do { try statement(sql).statement.run([]) } catch let error as StorageError { throw error } catch {
      throw StorageError(.other, "running “\(sql)”", underlying: error)
    }
  }

  func executeScript(_ sql: String) throws(StorageError) {
    let status = unsafe sqlite3_exec(handle, sql, nil, nil, nil)
    guard status == SQLITE_OK else { throw error(status, "running a script") }
  }

  /// As ``executeScript(_:)``, but refuses statements that begin or end transactions or savepoints.
  func executeScriptWithinTransaction(_ sql: String) throws(StorageError) {
    unsafe sqlite3_set_authorizer(
      handle,
      { _, action, _, _, _, _ in
        action == SQLITE_TRANSACTION || action == SQLITE_SAVEPOINT ? SQLITE_DENY : SQLITE_OK
      },
      nil
    )
    defer { unsafe sqlite3_set_authorizer(handle, nil, nil) }
    let status = unsafe sqlite3_exec(handle, sql, nil, nil, nil)
    guard status != SQLITE_AUTH else {
      throw StorageError(
        .misuse,
        "a script would begin or end a transaction, which others may share; leave that to the closure",
        sqliteCode: status
      )
    }
    guard status == SQLITE_OK else { throw error(status, "running a script") }
  }

  func prepare(_ sql: String) throws(StorageError) -> (handle: OpaquePointer, hasTail: Bool) {
    guard unsafe handle != nil else { throw StorageError(.closed, "the connection to \(path) is closed") }
    var text = sql
    var prepared: OpaquePointer?
    var hasTail = false
    // SQLite reads the text during the call only.
    let status = text.withUTF8 { utf8 in
      unsafe utf8.withMemoryRebound(to: CChar.self) { bytes in
        var tail: UnsafePointer<CChar>?
        let status = unsafe sqlite3_prepare_v3(
          handle,
          bytes.baseAddress,
          Int32(clamping: bytes.count),
          UInt32(SQLITE_PREPARE_PERSISTENT),
          &prepared,
          &tail
        )
        if let tail = unsafe tail, let base = bytes.baseAddress {
          let consumed = unsafe tail - base
          hasTail = unsafe bytes.dropFirst(consumed).contains { byte in
            byte != 0x20 && byte != 0x0A && byte != 0x0D && byte != 0x09 && byte != 0x3B
          }
        }
        return status
      }
    }
    guard status == SQLITE_OK else { throw error(status, "preparing “\(sql)”") }
    guard let prepared = unsafe prepared else { throw StorageError(.misuse, "“\(sql)” holds no statement") }
    return unsafe (prepared, hasTail)
  }

  func error(_ status: Int32, _ doing: String, file: String = #fileID, line: Int = #line) -> StorageError {
    var reason = "error \(status)"
    // The message belongs to SQLite until the next call; String copies it.
    if let text = unsafe sqlite3_errmsg(handle) { reason = unsafe String(cString: text) }
    let (code, advice): (StorageError.Code, String) =
      switch isOutOfSpace(status) ? SQLITE_FULL : status & 0xFF {
      case SQLITE_FULL: (.storageFull, "; free some space and retry: what was acknowledged is intact")
      case SQLITE_CORRUPT, SQLITE_NOTADB:
        (.corrupt, "; restore \(path) from a backup, or move it away to start empty")
      case SQLITE_BUSY, SQLITE_LOCKED:
        (.busy, "; another process holds the lock, retry or raise the busy timeout")
      case SQLITE_CONSTRAINT: (.constraint, "")
      case SQLITE_READONLY, SQLITE_PERM, SQLITE_AUTH:
        (.readOnly, "; check the permissions of \(path) and its folder")
      case SQLITE_CANTOPEN: (.inputOutput, "; check that the folder exists and is writable")
      case SQLITE_IOERR: (.inputOutput, "; check the disk, then reopen the database")
      case SQLITE_ERROR, SQLITE_MISUSE, SQLITE_RANGE, SQLITE_TOOBIG, SQLITE_MISMATCH: (.misuse, "")
      default: (.other, "")
      }
    return StorageError(code, "\(doing): \(reason)\(advice)", sqliteCode: status, file: file, line: line)
  }

  /// Whether an I/O error is a full disk under another name: a quota that is used up, or no room for the index of the log.
  private func isOutOfSpace(_ status: Int32) -> Bool {
    // SQLITE_IOERR_WRITE and SQLITE_IOERR_SHMSIZE, macros with a shift, which Swift doesn't import.
    switch status {
    case SQLITE_IOERR | 3 << 8: unsafe sqlite3_system_errno(handle) == EDQUOT
    case SQLITE_IOERR | 19 << 8: unsafe [0, ENOSPC, EDQUOT].contains(sqlite3_system_errno(handle))
    default: false
    }
  }
}
