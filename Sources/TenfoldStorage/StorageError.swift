// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// What went wrong while storing or reading data, and what to do about it.
///
/// Compare `code`, never the text of `message`.
///
/// ```swift
/// do {
///   try await database.write { tx in try tx.execute("INSERT INTO note(body) VALUES(?1)", body) }
/// } catch let error as StorageError where error.code == .storageFull {
///   await shedLoad()  // nothing was written; reads go on
/// }
/// ```
public struct StorageError: CodedError {
  /// The kinds of failure; the list can grow, so always keep a default branch.
  public struct Code: Hashable, Sendable, CustomStringConvertible, InvalidOptionCode {
    /// The name of the code, as printed.
    public let description: String

    private init(_ description: String) { self.description = description }

    /// There is no room left on the disk or under the configured size; what was acknowledged is intact.
    public static let storageFull = Self("storageFull")
    /// The bytes on disk are not what was written: a checksum or the file's structure is wrong.
    public static let corrupt = Self("corrupt")
    /// A newer version wrote the file; nothing was changed.
    public static let futureFormat = Self("futureFormat")
    /// A migration that was applied earlier has another text now.
    public static let migrationChanged = Self("migrationChanged")
    /// Another process kept the lock for longer than the busy timeout.
    public static let busy = Self("busy")
    /// A constraint of the schema (unique, not null, check, foreign key) refused the row.
    public static let constraint = Self("constraint")
    /// The database, file or directory can't be written by this process.
    public static let readOnly = Self("readOnly")
    /// A file could not be opened, read, written, synced or renamed.
    public static let inputOutput = Self("inputOutput")
    /// The disk failed to sync: what is on it is unknown, so the database takes no writes until it is opened anew.
    ///
    /// The write that failed can be there then: look before trying it again.
    public static let syncFailed = Self("syncFailed")
    /// What follows a log is ahead of it, as after restoring the log alone from a backup: it must be built again.
    public static let diverged = Self("diverged")
    /// The statement is wrong, its bindings don't fit, or it was used outside its transaction.
    public static let misuse = Self("misuse")
    /// A column holds another type than the one asked for.
    public static let typeMismatch = Self("typeMismatch")
    /// The row, blob or event asked for is not there.
    public static let notFound = Self("notFound")
    /// The database was closed before the operation began.
    public static let closed = Self("closed")
    /// An operation that shared the commit made SQLite undo the whole transaction; retry this one.
    public static let rolledBack = Self("rolledBack")
    /// A value lies outside its documented range.
    public static let invalidOption = Self("invalidOption")
    /// Any other failure that SQLite or the system reports.
    public static let other = Self("other")
  }

  /// The code, the message, and where the error was thrown.
  public let details: ErrorDetails<Code>
  /// The version found on disk; set with ``Code/futureFormat``.
  public private(set) var foundVersion: Int?
  /// The newest version that this build reads; set with ``Code/futureFormat``.
  public private(set) var supportedVersion: Int?
  /// SQLite's extended result code, where SQLite reported the failure.
  public private(set) var sqliteCode: Int32?

  /// Creates an error from its details.
  public init(_ details: ErrorDetails<Code>) { self.details = details }

  /// Creates an error that SQLite reported.
  public init(
    _ code: Code,
    _ message: String,
    underlying: (any Error)? = nil,
    sqliteCode: Int32?,
    file: String = #fileID,
    line: Int = #line
  ) {
    self.details = ErrorDetails(code: code, message: message, underlying: underlying, file: file, line: line)
    self.sqliteCode = sqliteCode
  }

  /// Whether a storage error is, or is behind, an error.
  ///
  /// - Parameter error: Any error.
  /// - Returns: Whether it, or one that it names as its cause, is a ``StorageError``.
  public static func isCause(of error: any Error) -> Bool {
    var next: (any Error)? = error
    while let error = next {
      if error is StorageError { return true }
      next = (error as? any CodedError)?.underlying
    }
    return false
  }

  /// Creates the error for data that a newer version wrote.
  ///
  /// - Parameters:
  ///   - found: The version on disk.
  ///   - supported: The newest version that this build reads.
  ///   - what: What was being opened, for people.
  ///   - file: The source file that throws.
  ///   - line: The line that throws.
  /// - Returns: An error with code ``Code/futureFormat``.
  public static func futureFormat(
    found: Int,
    supported: Int,
    what: String,
    file: String = #fileID,
    line: Int = #line
  ) -> Self {
    var error = Self(
      .futureFormat,
      "\(what) was written by a newer version (format \(found), this build reads up to \(supported)); "
        + "nothing was changed. Update this program or point it at another file.",
      file: file,
      line: line
    )
    error.foundVersion = found
    error.supportedVersion = supported
    return error
  }
}
