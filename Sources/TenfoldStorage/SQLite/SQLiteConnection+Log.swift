// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

internal import CTenfoldSQLite

extension SQLiteConnection {
  /// What the writer knows of its write-ahead log; SQLite's hook writes it on the thread that owns the connection.
  final class LogSize {
    /// How long the log was after the newest commit, in pages.
    var pages = 0
    /// Whether that commit has not been looked at since.
    var isNew = false
    /// Pages that the log's file has room for, as far as it was given room.
    var reserved = 0
  }

  /// As SQLite's own default.
  static let pagesBeforeCheckpoint = 1000

  /// Takes over from SQLite, which would move the log into the file within the commit that makes it long.
  ///
  /// Whoever waits for that commit would wait for the whole of it: some milliseconds, once in about a hundred commits.
  func deferCheckpoints() {
    // The connection owns what the hook writes to, and is closed before it goes.
    let context = unsafe Unmanaged.passUnretained(log).toOpaque()
    unsafe sqlite3_wal_hook(
      handle,
      { context, _, _, pages in
        if let context = unsafe context {
          let log = unsafe Unmanaged<LogSize>.fromOpaque(context).takeUnretainedValue()
          log.pages = Int(pages)
          log.isNew = true
        }
        return SQLITE_OK
      },
      context
    )
  }

  /// Moves the log into the file, as far as readers let it; doesn't wait for anyone.
  ///
  /// - Returns: How many pages of how many are moved now; `nil` when another connection is at it.
  @discardableResult
  func checkpoint() throws(StorageError) -> (moved: Int, pages: Int)? {
    var (pages, moved) = (Int32(0), Int32(0))
    let status = unsafe sqlite3_wal_checkpoint_v2(handle, "main", SQLITE_CHECKPOINT_PASSIVE, &pages, &moved)
    if status & 0xFF == SQLITE_BUSY { return nil }
    guard status == SQLITE_OK else { throw error(status, "moving the log of \(path) into the file") }
    return (Int(moved), Int(pages))
  }

  /// Lengthens the log's file ahead of the commits that fill it.
  ///
  /// A sync of a file that has grown also has the file system write down its new size, which takes longer than the data.
  /// The log begins anew after each move and stays as long as it is, so this is for its first length only. Where there is
  /// no room nothing is reserved.
  func reserveLogIfDue() throws(StorageError) {
    #if os(Linux)
    guard log.pages + 32 > log.reserved, log.reserved < Self.pagesReserved else { return }
    // Not much at once, as somebody may wait meanwhile.
    let pages = min(Self.pagesReserved, log.pages + 128)
    // Once for each length, whatever comes of it.
    log.reserved = pages
    let size = try pageSize()
    try run("BEGIN IMMEDIATE")
    let status = unsafe tenfold_sqlite_reserve_log(handle, 32 + Int64(pages) * Int64(24 + size))
    try run("ROLLBACK")
    if status != SQLITE_OK {
      log.reserved = Self.pagesReserved
      throw error(status, "lengthening the log of \(path)")
    }
    #endif
  }

  /// A quarter more than the log has before it is moved.
  private static let pagesReserved = pagesBeforeCheckpoint * 5 / 4

  private func pageSize() throws(StorageError) -> Int {
    let (statement, _) = try statement("PRAGMA page_size")
    try statement.start()
    defer { statement.end() }
    return try statement.next() ? Int(statement.integer(0)) : 4096
  }
}

extension StorageError {
  /// Whether a sync failed: `SQLITE_IOERR_FSYNC` or `SQLITE_IOERR_DIR_FSYNC`, macros with a shift, which Swift doesn't
  /// import.
  var isFailedSync: Bool {
    guard let sqliteCode else { return false }
    return sqliteCode == SQLITE_IOERR | 4 << 8 || sqliteCode == SQLITE_IOERR | 5 << 8
  }
}
