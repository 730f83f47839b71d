// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The numbered, checksummed migrations of one module's tables in a database file.
///
/// Several modules can share one file: each has its own name and its own numbers. A migration that has been
/// released is never edited; changes are new migrations, and ``SQLiteDatabase/open(_:schemas:options:)`` refuses a
/// file whose history differs.
///
/// ```swift
/// let notes = SQLiteSchema("notes", [
///   .init(1, "CREATE TABLE note(id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;"),
///   .init(2, "ALTER TABLE note ADD COLUMN author TEXT;", olderBuildsCanOpen: true),
/// ])
/// ```
public struct SQLiteSchema: Sendable {
  /// One step of a schema's history.
  public struct Migration: Sendable {
    /// The number of the step, counting from 1 without gaps.
    public let version: Int
    /// The statements, separated by semicolons.
    public let sql: String
    /// Whether a build that knows only the steps before this one may still open the file and write to it.
    public let olderBuildsCanOpen: Bool

    /// Creates one step.
    ///
    /// - Parameters:
    ///   - version: The number of the step, counting from 1 without gaps.
    ///   - sql: The statements, separated by semicolons.
    ///   - olderBuildsCanOpen: Whether earlier builds may go on using the file.
    public init(_ version: Int, _ sql: String, olderBuildsCanOpen: Bool = false) {
      self.version = version
      self.sql = sql
      self.olderBuildsCanOpen = olderBuildsCanOpen
    }

    /// FNV-1a over the text: it detects an edited migration, not an attacker.
    var checksum: Int64 {
      var hash: UInt64 = 0xcbf2_9ce4_8422_2325
      for byte in sql.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
      return Int64(bitPattern: hash)
    }
  }

  /// The module's name in the file.
  public let name: String
  /// The steps, oldest first.
  public let migrations: [Migration]

  /// Creates a schema.
  ///
  /// - Parameters:
  ///   - name: The module's name in the file; choose one that no other module has.
  ///   - migrations: The steps, numbered from 1 without gaps.
  public init(_ name: String, _ migrations: [Migration]) {
    self.name = name
    self.migrations = migrations
  }

  /// Checks a file's history without changing anything; returns the steps still to be applied.
  func pending(on connection: SQLiteConnection) throws -> ArraySlice<Migration> {
    for (index, migration) in migrations.enumerated() where migration.version != index + 1 {
      throw StorageError(
        .invalidOption,
        "schema \(name): migrations must be numbered from 1 without gaps, found \(migration.version)"
      )
    }
    let transaction = SQLiteTransaction(connection)
    defer { transaction.end() }
    let hasHistory =
      try transaction.first("SELECT 1 FROM sqlite_schema WHERE type='table' AND name='tenfold_migration'") {
        _ in
        true
      } ?? false
    guard hasHistory else { return migrations[...] }
    let applied = try transaction.query(
      "SELECT version, checksum, older_can_open FROM tenfold_migration WHERE schema = ?1 ORDER BY version",
      name
    ) { row in
      (version: try row.int(0), checksum: try row.int64(1), olderCanOpen: try row.bool(2))
    }
    for (step, migration) in zip(applied, migrations) where step.checksum != migration.checksum {
      throw StorageError(
        .migrationChanged,
        "migration \(step.version) of schema \(name) in \(connection.path) differs from this build's; "
          + "released migrations must not be edited: add a new one instead"
      )
    }
    let newer = applied.dropFirst(migrations.count)
    if let last = newer.last, !newer.allSatisfy(\.olderCanOpen) {
      throw StorageError.futureFormat(
        found: last.version,
        supported: migrations.count,
        what: "\(connection.path) (schema \(name))"
      )
    }
    return migrations.dropFirst(applied.count)
  }

  /// Applies what is missing; the caller has opened a write transaction.
  func migrate(_ connection: SQLiteConnection) throws {
    let missing = try pending(on: connection)
    guard !missing.isEmpty else { return }
    try connection.executeScript(Self.historyTable)
    let transaction = SQLiteTransaction(connection)
    defer { transaction.end() }
    for migration in missing {
      try connection.executeScript(migration.sql)
      try transaction.execute(
        "INSERT INTO tenfold_migration(schema, version, checksum, older_can_open) VALUES(?1, ?2, ?3, ?4)",
        name,
        migration.version,
        migration.checksum,
        migration.olderBuildsCanOpen
      )
    }
  }

  private static let historyTable = """
    CREATE TABLE IF NOT EXISTS tenfold_migration(
      schema TEXT NOT NULL, version INTEGER NOT NULL, checksum INTEGER NOT NULL, older_can_open INTEGER NOT NULL,
      applied_at TEXT NOT NULL DEFAULT (datetime('now')), PRIMARY KEY(schema, version)) WITHOUT ROWID;
    """
}
