// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// Where each blob is, as steps inside a transaction.
///
/// A blob is one row that names an object in a tier; objects never change, so a blob moves, or gets new contents, by its
/// row naming another. An object that no row names is listed in `blob_loose` from before it is written until it is
/// deleted: whatever a crash leaves behind is found there.
enum BlobCatalog {
  static let schema = SQLiteSchema(
    "blobs",
    [
      .init(
        1,
        """
        CREATE TABLE blob(
          key TEXT PRIMARY KEY, tenant TEXT NOT NULL, version INTEGER NOT NULL, tier TEXT NOT NULL, object TEXT NOT NULL,
          size INTEGER NOT NULL, stored_size INTEGER NOT NULL, checksum INTEGER NOT NULL, compressed INTEGER NOT NULL,
          stored_at INTEGER NOT NULL, read_at INTEGER NOT NULL) STRICT;
        CREATE INDEX blob_tenant ON blob(tenant, key) WHERE tenant <> '';
        CREATE TABLE blob_loose(
          tier TEXT NOT NULL, object TEXT NOT NULL, tenant TEXT NOT NULL, due INTEGER NOT NULL,
          PRIMARY KEY(tier, object)) STRICT, WITHOUT ROWID;
        CREATE INDEX blob_loose_due ON blob_loose(due);
        CREATE TABLE blob_version(
          one INTEGER PRIMARY KEY CHECK(one = 1), newest INTEGER NOT NULL) STRICT;
        INSERT INTO blob_version(one, newest) VALUES(1, 0);
        """
      ),
      // Builds without it would let a row name an object that is being deleted, unless its due time is −1.
      .init(
        2,
        """
        CREATE INDEX blob_loose_tier ON blob_loose(tier, due);
        CREATE INDEX blob_loose_tenant ON blob_loose(tenant, due) WHERE tenant <> '';
        DROP INDEX blob_loose_due;
        """
      ),
    ]
  )

  /// An object that no blob names.
  struct Loose: Sendable {
    var tier: String
    var object: String
    /// Its due time, or what stands for that when it was listed.
    var due: Int64

    /// Its due time below zero.
    var earlyDoom: Int64 { due < 0 ? due : -due }
    /// Whether its writer has given it up by the time that `doom` stands for.
    func isSettled(by doom: Int64) -> Bool { earlyDoom >= doom }
    /// Whether it was deleted by an erasure before its due time, which has not come yet.
    func isDeletedEarly(at doom: Int64) -> Bool { due < doom }
  }

  /// What stands for the due time of an object that is being deleted: the time of the attempt below zero, so that those
  /// tried longest ago come first, and another attempt's object isn't taken for one's own.
  ///
  /// An object that was deleted before its due time, because its tenant was erased, stays listed until then under that time,
  /// as its writer may not have written it yet.
  static func doom(at now: Int64) -> Int64 { -max(1, now) }

  /// The statements that look for loose objects; there may be very many, so each goes by an index and sorts nothing.
  enum Statement {
    static let fresh =
      "SELECT tier, object, due FROM blob_loose WHERE tier = ?1 AND due BETWEEN 0 AND ?2 ORDER BY due LIMIT ?3"
    static let doomed =
      "SELECT tier, object, due FROM blob_loose WHERE tier = ?1 AND due BETWEEN ?2 AND -1 ORDER BY due DESC LIMIT ?3"
    static let tenants =
      "SELECT tier, object, due FROM blob_loose WHERE tenant = ?1 AND tenant <> '' ORDER BY due DESC"
  }

  private static let columns =
    "key, tenant, version, tier, object, size, stored_size, checksum, compressed, stored_at, read_at"

  static func record(_ key: BlobKey, in tx: SQLiteTransaction) throws -> BlobRecord? {
    try tx.first("SELECT \(columns) FROM blob WHERE key = ?1", key.rawValue, transform: read)
  }

  static func records(
    after key: String,
    tenant: TenantID?,
    limit: Int,
    in tx: SQLiteTransaction
  ) throws -> [BlobRecord] {
    if let tenant {
      return try tx.query(
        """
        SELECT \(columns) FROM blob WHERE tenant = ?1 AND tenant <> '' AND key > ?2 ORDER BY key LIMIT ?3
        """,
        tenant.rawValue,
        key,
        limit,
        transform: read
      )
    }
    return try tx.query(
      "SELECT \(columns) FROM blob WHERE key > ?1 ORDER BY key LIMIT ?2",
      key,
      limit,
      transform: read
    )
  }

  private static func read(_ row: SQLiteRow) throws -> BlobRecord {
    BlobRecord(
      key: try BlobKey(row.text(0)),
      tenant: TenantID(try row.text(1)),
      version: try row.int64(2),
      tier: try row.text(3),
      sizeInBytes: try row.int(5),
      storedSizeInBytes: try row.int(6),
      storedAt: try row.int64(9),
      readAt: try row.int64(10),
      object: try row.text(4),
      checksum: UInt32(truncatingIfNeeded: try row.int64(7)),
      isCompressed: try row.bool(8)
    )
  }

  /// The next number of contents: it never comes again, also for a key that was deleted.
  static func nextVersion(in tx: SQLiteTransaction) throws -> Int64 {
    try tx.execute("UPDATE blob_version SET newest = newest + 1")
    return try tx.first("SELECT newest FROM blob_version") { try $0.int64(0) } ?? 0
  }

  static func save(_ record: BlobRecord, in tx: SQLiteTransaction) throws {
    try tx.execute(
      "INSERT OR REPLACE INTO blob(\(columns)) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
      record.key.rawValue,
      record.tenant.rawValue,
      record.version,
      record.tier,
      record.object,
      record.sizeInBytes,
      record.storedSizeInBytes,
      Int64(record.checksum),
      record.isCompressed,
      record.storedAt,
      record.readAt
    )
  }

  static func remove(_ key: BlobKey, in tx: SQLiteTransaction) throws {
    try tx.execute("DELETE FROM blob WHERE key = ?1", key.rawValue)
  }

  static func touch(_ record: BlobRecord, at now: Int64, in tx: SQLiteTransaction) throws {
    try tx.execute(
      "UPDATE blob SET read_at = ?3 WHERE key = ?1 AND version = ?2",
      record.key.rawValue,
      record.version,
      now
    )
  }

  // MARK: - Loose objects

  static func loosen(
    _ tier: String,
    _ object: String,
    tenant: TenantID,
    due: Int64,
    in tx: SQLiteTransaction
  ) throws {
    try tx.execute(
      "INSERT OR REPLACE INTO blob_loose(tier, object, tenant, due) VALUES(?1, ?2, ?3, ?4)",
      tier,
      object,
      tenant.rawValue,
      due
    )
  }

  /// Takes an object off the list because a row is about to name it; `false` when it isn't on it or is doomed.
  static func bind(_ tier: String, _ object: String, in tx: SQLiteTransaction) throws -> Bool {
    try tx.execute(
      "DELETE FROM blob_loose WHERE tier = ?1 AND object = ?2 AND due >= 0",
      tier,
      object
    ) == 1
  }

  /// Marks an object that is about to be deleted, so that no row can come to name it; `false` when one does already.
  static func doom(_ loose: Loose, as doom: Int64, in tx: SQLiteTransaction) throws -> Bool {
    try tx.execute(
      "UPDATE blob_loose SET due = ?3 WHERE tier = ?1 AND object = ?2",
      loose.tier,
      loose.object,
      loose.isSettled(by: doom) ? doom : loose.earlyDoom
    ) == 1
  }

  /// Takes an object off the list that was deleted, unless it was listed again meanwhile or its time has not come.
  static func forget(_ loose: Loose, doomedAs doom: Int64, in tx: SQLiteTransaction) throws {
    guard loose.isSettled(by: doom) else { return }
    try tx.execute(
      "DELETE FROM blob_loose WHERE tier = ?1 AND object = ?2 AND due = ?3",
      loose.tier,
      loose.object,
      doom
    )
  }

  /// Objects whose time has come, and after them those that an attempt failed to delete, the longest ago first: what
  /// can't be deleted takes nobody's place.
  static func due(_ now: Int64, tier: String, limit: Int, in tx: SQLiteTransaction) throws -> [Loose] {
    let fresh = try tx.query(
      Statement.fresh,
      tier,
      max(0, now),
      limit,
      transform: readLoose
    )
    let doomed = try tx.query(
      Statement.doomed,
      tier,
      doom(at: now),
      limit - fresh.count,
      transform: readLoose
    )
    return fresh + doomed
  }

  /// A tenant's objects; last those that an attempt failed to delete, the longest ago first.
  static func loose(of tenant: TenantID, in tx: SQLiteTransaction) throws -> [Loose] {
    try tx.query(Statement.tenants, tenant.rawValue, transform: readLoose)
  }

  private static func readLoose(_ row: SQLiteRow) throws -> Loose {
    Loose(tier: try row.text(0), object: try row.text(1), due: try row.int64(2))
  }
}
