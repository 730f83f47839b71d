// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// A SQLite file (or memory) with one writer that groups commits and several readers, each on its own thread.
///
/// Writes that arrive while a commit is under way share the next one. Reads see a snapshot: the newest commit at
/// the moment the read begins, unaffected by writes meanwhile. Neither occupies the cooperative pool.
///
/// **Durability.** When ``write(_:)`` returns, the change is on disk: it survives a kill of the process, and with
/// the default ``Durability/full`` loss of power too. With ``Durability/relaxed`` loss of power can take back the
/// newest commits, never tear one.
///
/// ```swift
/// let database = try await SQLiteDatabase.open(.file("notes.db"), schemas: [notes])
/// try await database.write { tx in
///   try tx.execute("INSERT INTO note(body) VALUES(?1)", "hello")
/// }
/// let bodies = try await database.read { tx in
///   try tx.query("SELECT body FROM note") { row in try row.text(0) }
/// }
/// ```
public final class SQLiteDatabase: Sendable {
  /// Where the database lives.
  public let location: Location
  /// How the database was opened.
  public let options: Options
  private let writer: SQLiteWriter
  private let readers: ThreadMailbox<SQLiteOperation>
  private let checkpointer: SQLiteCheckpointer?
  private let writerThread = ThreadGroup()
  private let readerThreads = ThreadGroup()

  private init(_ location: Location, _ options: Options, fence: SchemaFence) {
    self.location = location
    self.options = options
    let checkpointer = location.isInMemory ? nil : SQLiteCheckpointer()
    self.checkpointer = checkpointer
    writer = SQLiteWriter(
      maximumGroupSize: options.maximumGroupSize,
      canSkipSync: options.durability == .full && !location.isInMemory,
      fence: fence,
      checkpointer: checkpointer
    )
    readers = ThreadMailbox()
  }

  deinit {
    stop()
  }

  private func stop() {
    writer.mailbox.close()
    checkpointer?.close()
    readers.close()
  }

  /// Opens a database, creates it when missing, and applies the migrations that it lacks.
  ///
  /// A file that a newer version wrote is refused before anything in it is changed. One that a newer version migrates while
  /// it is open is left alone from then on: reads and writes fail as opening would, unless the migration lets older builds
  /// go on.
  ///
  /// - Parameters:
  ///   - location: A file or memory.
  ///   - schemas: The tables of each module that uses the file.
  ///   - options: How to open it.
  /// - Returns: The database, with its threads running; ``close()`` or the last reference's end stops them.
  /// - Throws: ``StorageError``: ``StorageError/Code/futureFormat``, ``StorageError/Code/migrationChanged``,
  ///   ``StorageError/Code/corrupt``, ``StorageError/Code/readOnly``, ``StorageError/Code/storageFull``, …
  public static func open(
    _ location: Location,
    schemas: [SQLiteSchema] = [],
    options: Options = Options()
  ) async throws -> SQLiteDatabase {
    try options.validate()
    // Opening reads and may migrate: on a thread of its own, like all blocking work here.
    return try await DedicatedThread.run(name: "tenfold-open") {
      try openBlocking(location, schemas: schemas, options: options)
    }
  }

  /// Runs `body` on the writer's thread and commits what it wrote.
  ///
  /// If `body` throws, what it wrote is undone and the others who share the commit are unaffected. Cancelling the
  /// task doesn't interrupt a write: when this returns or throws, the outcome is known. There is no limit on how
  /// many writes wait; each caller waits for its own.
  ///
  /// - Parameter body: Writes and reads through the transaction; it must not block on anything else.
  /// - Returns: What `body` returned; on disk as ``Options/durability`` says when this returns.
  /// - Throws: What `body` throws, or ``StorageError`` when the commit failed: then nothing was written, unless its code is
  ///   ``StorageError/Code/syncFailed``.
  @discardableResult
  public func write<Value: Sendable>(
    _ body: @escaping @Sendable (SQLiteTransaction) throws -> Value
  ) async throws -> Value {
    try await submit(to: writer.mailbox, body)
  }

  /// Runs `body` as ``write(_:)`` does, but doesn't wait for the disk.
  ///
  /// Loss of power may take the change back, until a later durable write has returned; a kill of the process doesn't.
  ///
  /// - Parameter body: Writes and reads through the transaction; it must not block on anything else.
  /// - Returns: What `body` returned.
  /// - Throws: What `body` throws, or ``StorageError`` when the commit failed: then nothing was written, unless its code is
  ///   ``StorageError/Code/syncFailed``.
  @discardableResult
  package func writeUnsynced<Value: Sendable>(
    _ body: @escaping @Sendable (SQLiteTransaction) throws -> Value
  ) async throws -> Value {
    try await submit(to: writer.mailbox, needsSync: false, body)
  }

  /// Runs `body` on a reader's thread over a snapshot of the newest commit.
  ///
  /// - Parameter body: Reads through the transaction; a write in it throws.
  /// - Returns: What `body` returned.
  /// - Throws: What `body` throws, or ``StorageError``.
  public func read<Value: Sendable>(
    _ body: @escaping @Sendable (SQLiteTransaction) throws -> Value
  ) async throws -> Value {
    guard location.isInMemory else { return try await submit(to: readers, body) }
    // Each connection to ":memory:" would be a database of its own, so the writer reads there, and writes nothing meanwhile.
    return try await submit(to: writer.mailbox) { tx in
      tx.readsOnly = true
      return try body(tx)
    }
  }

  /// Counts since the database was opened.
  public var statistics: Statistics {
    var statistics = writer.statistics.withLock { $0 }
    statistics.waitingOperations = writer.mailbox.count
    return statistics
  }

  /// Finishes what was submitted, refuses more, and closes every connection.
  public func close() async {
    // Readers first: the connection that closes last moves the log into the file, and a reader may not write.
    readers.close()
    checkpointer?.close()
    await readerThreads.wait()
    writer.mailbox.close()
    await writerThread.wait()
  }

  // MARK: - Private

  private func submit<Value: Sendable>(
    to mailbox: ThreadMailbox<SQLiteOperation>,
    needsSync: Bool = true,
    _ body: @escaping @Sendable (SQLiteTransaction) throws -> Value
  ) async throws -> Value {
    try await Handoff<Value>.receive { handoff in
      let operation = SQLiteOperationOf(handoff, body)
      operation.needsSync = needsSync
      if !mailbox.send(operation) {
        operation.finish(failure: StorageError(.closed, "the database \(location) is closed"))
      }
    }
  }

  private static func openBlocking(
    _ location: Location,
    schemas: [SQLiteSchema],
    options: Options
  ) throws -> SQLiteDatabase {
    // SQLite takes these for memory, for a file that goes with the connection, and for the name before the NUL.
    let path = location.path
    guard location.isInMemory || !(path.isEmpty || path == ":memory:" || path.utf8.contains(0)) else {
      throw StorageError(
        .invalidOption,
        "“\(path)” names no file; give a path without NUL, or open .inMemory"
      )
    }
    let connection = try SQLiteConnection(
      path: location.path,
      isReader: false,
      busyTimeout: options.busyTimeout,
      fileSystem: options.fileSystem
    )
    do {
      // First look, then touch: a future format must be left as it is.
      // Switching to a write-ahead log doesn't wait for a lock as statements do, so two processes that open a new
      // file together have to take turns here.
      let deadline = ContinuousClock.now + options.busyTimeout
      while true {
        do {
          for schema in schemas { _ = try schema.pending(on: connection) }
          try connection.configureWriter(options, isInMemory: location.isInMemory)
          break
        } catch let error as StorageError where error.code == .busy && ContinuousClock.now < deadline {
          DedicatedThread.pause(microseconds: 2000)
        }
      }
      try connection.run("BEGIN IMMEDIATE")
      do {
        for schema in schemas { try schema.migrate(connection) }
        try connection.run("COMMIT")
      } catch {
        if !connection.isAutocommit { try? connection.run("ROLLBACK") }
        throw error
      }
    } catch {
      connection.close()
      throw error
    }
    let database = SQLiteDatabase(location, options, fence: SchemaFence(schemas))
    do {
      let writer = database.writer
      try connection.closedOnFailure {
        try database.writerThread.start(name: "tenfold-writer") { writer.serve(connection) }
      }
      try database.startBesideWriter(SchemaFence(schemas))
    } catch {
      database.stop()
      throw error
    }
    return database
  }

  private func startBesideWriter(_ fence: SchemaFence) throws {
    guard let checkpointer else { return }
    func connect() throws -> SQLiteConnection {
      try SQLiteConnection(
        path: location.path,
        isReader: true,
        busyTimeout: options.busyTimeout,
        fileSystem: options.fileSystem
      )
    }
    for index in 0..<options.readerCount {
      let reader = try connect()
      try reader.closedOnFailure {
        try reader.configureReader(options)
        try readerThreads.start(name: "tenfold-reader\(index)") { [readers] in
          Self.serveReads(readers, reader, fence)
        }
      }
    }
    let mover = try connect()
    try mover.closedOnFailure {
      try mover.configureCheckpointer()
      try readerThreads.start(name: "tenfold-log") { checkpointer.serve(mover) }
    }
  }

  private static func serveReads(
    _ mailbox: ThreadMailbox<SQLiteOperation>,
    _ connection: SQLiteConnection,
    _ fence: SchemaFence
  ) {
    var fence = fence
    while let operation = mailbox.takeOne() {
      do {
        try connection.run("BEGIN")
        try fence.check(connection)
        let transaction = SQLiteTransaction(connection)
        _ = operation.run(transaction)
        transaction.end()
        if !connection.isAutocommit { try connection.run("COMMIT") }
        operation.finish(failure: nil)
      } catch {
        if !connection.isAutocommit { try? connection.run("ROLLBACK") }
        operation.finish(failure: error)
      }
    }
    connection.close()
  }
}

extension SQLiteConnection {
  func configureWriter(_ options: SQLiteDatabase.Options, isInMemory: Bool) throws {
    let transaction = SQLiteTransaction(self)
    defer { transaction.end() }
    if !isInMemory {
      let mode = try transaction.first("PRAGMA journal_mode = WAL") { row in try row.text(0) }
      guard mode == "wal" else {
        throw StorageError(
          .inputOutput,
          "\(path) can't use a write-ahead log (mode \(mode ?? "unknown")); use a local disk, not a network share"
        )
      }
    }
    try transaction.execute("PRAGMA synchronous = \(options.durability.pragma)")
    // On Apple systems a plain fsync stops at the drive's cache; elsewhere these two do nothing.
    try transaction.execute("PRAGMA fullfsync = \(options.durability == .full ? 1 : 0)")
    try transaction.execute("PRAGMA checkpoint_fullfsync = 1")
    // What is deleted is overwritten with zeros, also on pages that become free: `FAST` would leave those as they are, and
    // with them every value longer than a page. Debian builds SQLite with this anyway.
    try transaction.execute("PRAGMA secure_delete = ON")
    try transaction.execute("PRAGMA foreign_keys = ON")
    try transaction.execute("PRAGMA temp_store = MEMORY")
    try transaction.execute("PRAGMA cache_size = -\(options.cacheSizeInBytes >> 10)")
    try transaction.execute("PRAGMA journal_size_limit = 67108864")
    if !isInMemory { deferCheckpoints() }
    if let maximum = options.maximumSizeInBytes {
      let pageSize = try transaction.first("PRAGMA page_size") { row in try row.int(0) } ?? 4096
      try transaction.execute("PRAGMA max_page_count = \(max(1, maximum / max(1, pageSize)))")
    }
  }

  func configureCheckpointer() throws {
    let transaction = SQLiteTransaction(self)
    defer { transaction.end() }
    try transaction.execute("PRAGMA checkpoint_fullfsync = 1")
    // Without having read once it doesn't know of the log.
    try transaction.execute("SELECT count(*) FROM sqlite_schema")
  }

  func configureReader(_ options: SQLiteDatabase.Options) throws {
    try run("PRAGMA query_only = ON")
    try run("PRAGMA temp_store = MEMORY")
    try run("PRAGMA cache_size = -\(options.cacheSizeInBytes >> 10)")
  }
}
