// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

extension SQLiteDatabase {
  /// How thoroughly a file is looked at.
  public struct Check: Hashable, Sendable {
    let pragma: String

    /// Pages, tables and constraints.
    public static let quick = Self(pragma: "quick_check")
    /// As quick, and every index against its table.
    public static let full = Self(pragma: "integrity_check")
  }

  /// Looks whether the file is sound, while it is used.
  ///
  /// It reads a snapshot on a thread and a connection of its own, so it holds up neither reads nor writes; the log can't
  /// be shortened meanwhile. Cancelling the task doesn't interrupt it.
  ///
  /// - Parameter check: How thoroughly.
  /// - Returns: What is wrong, at most 100 sentences; nothing for a sound file.
  /// - Throws: ``StorageError`` when the file can't be looked at; with code ``StorageError/Code/corrupt`` when it is damaged
  ///   so far that SQLite gives up.
  /// - Complexity: O(size of the file), for a full check times the logarithm of the rows.
  public func problems(_ check: Check = .full) async throws -> [String] {
    if location.isInMemory { return try await read { tx in try Self.problems(check, in: tx) } }
    try await checkOpen()
    let (location, options) = (location, options)
    return try await DedicatedThread.run(name: "tenfold-check") {
      try Self.withReader(location, options) { connection in
        let transaction = SQLiteTransaction(connection)
        defer { transaction.end() }
        return try Self.problems(check, in: transaction)
      }
    }
  }

  /// Copies the database to another file while it is used.
  ///
  /// The copy is the newest commit of the moment it begins. It is written beside `path`, checked, synced and only then given
  /// its name: on disk when this returns; a file there is replaced, unless it is in use. A kill leaves the older file, and one
  /// called `….partial-…` that may be deleted. Cancelling the task doesn't interrupt it.
  ///
  /// - Parameter path: Where to; the folder must exist. Not the database's own file.
  /// - Throws: ``StorageError``: ``StorageError/Code/misuse`` for a database in memory, its own file, or where the log of a
  ///   file that isn't there any more lies beside `path`; ``StorageError/Code/busy`` when the file there is open,
  ///   ``StorageError/Code/corrupt`` when the copy isn't sound, ``StorageError/Code/storageFull``, …
  /// - Complexity: O(size of the file); the copy has no free pages.
  public func backup(to path: String) async throws {
    let (location, options) = (location, options)
    guard !location.isInMemory else {
      throw StorageError(.misuse, "a database in memory has no backup: open it in a file")
    }
    try await checkOpen()
    try await DedicatedThread.run(name: "tenfold-backup") {
      guard !Self.isSame(path, location.path) else {
        throw StorageError(.misuse, "\(path) is the database itself: name another file")
      }
      let partial = AtomicFileWriter.temporaryName("\(path).partial")
      do {
        try Self.withReader(location, options) { connection in
          let transaction = SQLiteTransaction(connection)
          defer { transaction.end() }
          try transaction.execute("VACUUM INTO ?1", partial)
        }
        try Self.verify(partial, options)
        try Self.endLog(of: path, options)
        try AtomicFileWriter.adopt(partial, as: path)
      } catch {
        unsafe unlink(partial)
        throw error
      }
    }
  }

  /// Writes the whole file anew, without free pages and without anything that was deleted.
  ///
  /// Deleting overwrites a value where it lies, but when SQLite moves rows between pages it may leave a copy in a page's
  /// unused part. Call this after an erasure that must leave nothing behind, or to make a file smaller.
  ///
  /// Writes wait meanwhile and fail with ``StorageError/Code/busy`` after ``Options/busyTimeout``; reads go on. A kill leaves
  /// the file as it was. Does nothing for a database in memory. Cancelling the task doesn't interrupt it.
  ///
  /// - Throws: ``StorageError``: ``StorageError/Code/busy`` when another process writes or a read goes on for too long;
  ///   ``StorageError/Code/storageFull``, as it takes up to twice the file's size beside it meanwhile; …
  /// - Complexity: O(size of the file).
  public func compact() async throws {
    if location.isInMemory { return }
    try await checkOpen()
    let (location, options) = (location, options)
    try await DedicatedThread.run(name: "tenfold-compact") {
      try Self.withReader(location, options) { connection in
        let transaction = SQLiteTransaction(connection)
        defer { transaction.end() }
        try transaction.execute("PRAGMA synchronous = FULL")
        try transaction.execute("PRAGMA fullfsync = 1")
        try transaction.execute("PRAGMA checkpoint_fullfsync = 1")
        try transaction.execute("VACUUM")
      }
      guard try Self.emptyLog(location, options, within: options.busyTimeout) else {
        throw StorageError(
          .busy,
          "the log of \(location) is being read, so what was deleted is still in it: compact again later"
        )
      }
    }
  }

  /// - Throws: ``StorageError`` with code ``StorageError/Code/closed`` once the database is closed.
  private func checkOpen() async throws { try await read { _ in } }

  /// Moves the log into the file and cuts it off, so that nothing deleted is left in it.
  ///
  /// - Returns: Whether it could: not while a read or another process keeps it for longer than a second.
  /// - Throws: ``StorageError``.
  package func emptyLog() async throws -> Bool {
    if location.isInMemory { return true }
    let (location, options) = (location, options)
    return try await DedicatedThread.run(name: "tenfold-log-end") {
      try Self.emptyLog(location, options, within: min(options.busyTimeout, .seconds(1)))
    }
  }

  private static func emptyLog(
    _ location: Location,
    _ options: Options,
    within limit: Duration
  ) throws -> Bool {
    var options = options
    // Writes wait while it waits for reads, so it waits in short pieces.
    options.busyTimeout = min(options.busyTimeout, .milliseconds(20))
    return try withReader(location, options) { connection in
      try connection.configureCheckpointer()
      let deadline = ContinuousClock.now + limit
      while true {
        let transaction = SQLiteTransaction(connection)
        defer { transaction.end() }
        let isBusy = try transaction.first("PRAGMA wal_checkpoint(TRUNCATE)") { try $0.bool(0) }
        if isBusy == false { return true }
        guard ContinuousClock.now < deadline else { return false }
        DedicatedThread.pause(microseconds: 5000)
      }
    }
  }

  /// Ends the log of a database that is about to be replaced: SQLite would apply it to the new file.
  private static func endLog(of path: String, _ options: Options) throws {
    var options = options
    options.busyTimeout = min(options.busyTimeout, .seconds(1))
    if unsafe access(path, F_OK) == 0 {
      do {
        try withReader(.file(path), options) { connection in
          let transaction = SQLiteTransaction(connection)
          defer { transaction.end() }
          _ = try transaction.first("PRAGMA journal_mode = DELETE") { try $0.text(0) }
        }
      } catch let error as StorageError where error.code == .busy {
        throw StorageError(
          .busy,
          "\(path) is open in this process or another: close it there, or name another file"
        )
      } catch {
        // No database, or a damaged one; what matters is whether a log is left.
      }
    }
    for log in ["-wal", "-journal"].map({ path + $0 }) {
      var file = stat()
      guard unsafe stat(log, &file) == 0, file.st_size > 0 else { continue }
      throw StorageError(
        .misuse,
        "\(log) is the log of an older file and would spoil the copy: delete it, or name another file"
      )
    }
  }

  private static func verify(_ path: String, _ options: Options) throws {
    let found = try withReader(.file(path), options) { connection in
      let transaction = SQLiteTransaction(connection)
      defer { transaction.end() }
      return try problems(.quick, in: transaction)
    }
    if let first = found.first {
      throw StorageError(.corrupt, "the copy of the database isn't sound: \(first)")
    }
  }

  private static func problems(_ check: Check, in tx: SQLiteTransaction) throws -> [String] {
    let found = try tx.query("PRAGMA \(check.pragma)(100)") { try $0.text(0) }
    return found == ["ok"] ? [] : found
  }

  /// Whether a file has a table: a look that changes nothing, where opening a database makes the file one of ours.
  ///
  /// - Parameters:
  ///   - name: The table's name.
  ///   - path: The file, which exists.
  /// - Returns: Whether it is there.
  /// - Throws: ``StorageError``, as when the file is no database.
  package static func hasTable(_ name: String, inFile path: String) async throws -> Bool {
    try await DedicatedThread.run(name: "tenfold-look") {
      try withReader(.file(path), Options()) { connection in
        let transaction = SQLiteTransaction(connection)
        defer { transaction.end() }
        let sql = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1"
        return try transaction.first(sql, name) { _ in true } ?? false
      }
    }
  }

  private static func withReader<Value>(
    _ location: Location,
    _ options: Options,
    _ body: (SQLiteConnection) throws -> Value
  ) throws -> Value {
    let connection = try SQLiteConnection(
      path: location.path,
      isReader: true,
      busyTimeout: options.busyTimeout,
      fileSystem: options.fileSystem
    )
    defer { connection.close() }
    return try body(connection)
  }

  private static func isSame(_ left: String, _ right: String) -> Bool {
    var (first, second) = (stat(), stat())
    guard unsafe stat(left, &first) == 0, unsafe stat(right, &second) == 0 else { return false }
    return first.st_dev == second.st_dev && first.st_ino == second.st_ino
  }
}
