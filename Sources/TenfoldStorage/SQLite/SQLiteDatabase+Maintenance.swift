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
  /// its name: on disk when this returns; a file there is replaced. A kill leaves the older file, and one called
  /// `….partial-…` that may be deleted. Cancelling the task doesn't interrupt it.
  ///
  /// - Parameter path: Where to; the folder must exist. Not the database's own file.
  /// - Throws: ``StorageError``: ``StorageError/Code/misuse`` for a database in memory or its own file,
  ///   ``StorageError/Code/corrupt`` when the copy isn't sound, ``StorageError/Code/storageFull``, …
  /// - Complexity: O(size of the file); the copy has no free pages.
  public func backup(to path: String) async throws {
    let (location, options) = (location, options)
    guard !location.isInMemory else {
      throw StorageError(.misuse, "a database in memory has no backup: open it in a file")
    }
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
        try AtomicFileWriter.adopt(partial, as: path)
      } catch {
        unsafe unlink(partial)
        throw error
      }
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
