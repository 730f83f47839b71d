// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization
public import TenfoldCore
public import TenfoldStorage

/// A cache in a SQLite file, which survives a restart.
///
/// Writes take a group commit; put ``ResponseCache`` before it, which stores behind the reader's back. A life is counted
/// on the monotonic clock while the process runs. Across restarts the wall clock is asked, and a clock that was set back
/// can lengthen a life by no more than the life itself. When the disk is full, writes throw
/// ``CacheError/Code/storageFull`` and reads go on.
///
/// ```swift
/// let database = try await SQLiteDatabase.open(.file(path), schemas: [SQLiteCacheStore.schema])
/// let store = SQLiteCacheStore(database: database)
/// ```
public final class SQLiteCacheStore: CacheStore {
  /// How the cache is bounded; every field has a default.
  public struct Options: Sendable {
    /// The most bytes of entries; beyond it those worth least leave.
    public var capacityInBytes: Int
    /// The most bytes of one entry; larger ones are refused.
    public var maximumEntryBytes: Int
    /// How long answers live.
    public var lifetime: CacheLifetime
    /// The seed of the jitter; `nil` draws one.
    public var seed: UInt64?

    /// Creates options.
    public init(
      capacityInBytes: Int = 1 << 30,
      maximumEntryBytes: Int = 1 << 20,
      lifetime: CacheLifetime = CacheLifetime(),
      seed: UInt64? = nil
    ) {
      self.capacityInBytes = capacityInBytes
      self.maximumEntryBytes = maximumEntryBytes
      self.lifetime = lifetime
      self.seed = seed
    }
  }

  /// The tables that the store needs; pass it to `SQLiteDatabase.open`.
  public static let schema = SQLiteSchema(
    "cache",
    [
      .init(
        1,
        """
        CREATE TABLE cache_entry(
          id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, namespace BLOB NOT NULL, tenant TEXT NOT NULL,
          text TEXT NOT NULL, record TEXT NOT NULL, vector BLOB, is_alias INTEGER NOT NULL, bytes INTEGER NOT NULL,
          saved_tokens INTEGER NOT NULL, created_ms INTEGER NOT NULL, life_ms INTEGER NOT NULL);
        CREATE INDEX cache_entry_namespace ON cache_entry(namespace, id);
        CREATE INDEX cache_entry_tenant ON cache_entry(tenant);
        CREATE TABLE cache_document(
          document TEXT NOT NULL, entry INTEGER NOT NULL REFERENCES cache_entry(id) ON DELETE CASCADE,
          PRIMARY KEY(document, entry)) WITHOUT ROWID;
        CREATE INDEX cache_document_entry ON cache_document(entry);
        CREATE TABLE cache_total(id INTEGER PRIMARY KEY CHECK (id = 1), entries INTEGER NOT NULL, bytes INTEGER NOT NULL);
        INSERT INTO cache_total VALUES(1, 0, 0);
        CREATE TRIGGER cache_entry_added AFTER INSERT ON cache_entry BEGIN
          UPDATE cache_total SET entries = entries + 1, bytes = bytes + new.bytes; END;
        CREATE TRIGGER cache_entry_removed AFTER DELETE ON cache_entry BEGIN
          UPDATE cache_total SET entries = entries - 1, bytes = bytes - old.bytes; END;
        """
      )
    ]
  )

  private let database: SQLiteDatabase
  private let options: Options
  private let time: TimeSource
  private let startInstant: ContinuousClock.Instant
  private let startMilliseconds: Int64
  private let counters = Mutex(CacheStatistics())
  private let generator: Mutex<SeededGenerator>

  /// Creates a cache over a database that was opened with ``schema``.
  ///
  /// - Parameters:
  ///   - database: Where the entries are kept.
  ///   - options: How the cache is bounded.
  ///   - time: Where it reads the time while the process runs.
  ///   - wallClockMilliseconds: The wall clock now, in milliseconds since 1970; `nil` asks the system.
  public init(
    database: SQLiteDatabase,
    options: Options = Options(),
    time: TimeSource = .system,
    wallClockMilliseconds: Int64? = nil
  ) {
    self.database = database
    self.options = options
    self.time = time
    self.startInstant = time.now
    let wall = Date().timeIntervalSince1970 * 1000
    self.startMilliseconds = wallClockMilliseconds ?? (wall.isFinite ? Int64(wall) : 0)
    self.generator = Mutex(SeededGenerator(seed: options.seed))
  }

  /// The wall clock at the start, carried on by the monotonic one.
  private var nowMilliseconds: Int64 {
    let elapsed = startInstant.duration(to: time.now).components
    return startMilliseconds + elapsed.seconds * 1000 + elapsed.attoseconds / 1_000_000_000_000_000
  }

  /// Looks several keys up.
  public func answers(for keys: [CacheKey], allowingStale: Bool) async throws -> [CacheHit?] {
    let now = nowMilliseconds
    let grace = Int64(options.lifetime.boundedGrace.inMilliseconds)
    let found: [CacheHit?] = try await run {
      try await self.database.read { transaction in
        try keys.map { key -> CacheHit? in
          let row = try transaction.first(
            "SELECT text, record, vector, created_ms, life_ms FROM cache_entry WHERE digest = ?1",
            key.digest.bytes
          ) { row in
            (try row.text(0), try row.text(1), try row.optionalBlob(2), try row.int64(3), try row.int64(4))
          }
          // The digest finds the row; only the same text in the same namespace is the same question.
          guard let row, row.0 == key.text, let record = Self.decode(row.1), record.namespace == key.namespace
          else { return nil }
          // No store has written another life; a damaged row is a miss.
          guard (1...CacheLifetime.longestMilliseconds).contains(row.4) else { return nil }
          let remaining = row.4 - Self.age(at: now, since: row.3)
          guard remaining + grace > 0, remaining > 0 || allowingStale else { return nil }
          return CacheHit(
            answer: record.answer(vector: row.2),
            isStale: remaining <= 0,
            remaining: .milliseconds(remaining)
          )
        }
      }
    }
    counters.withLock { counters in
      for hit in found {
        guard let hit else {
          counters.misses += 1
          continue
        }
        if hit.isStale { counters.staleHits += 1 } else { counters.hits += 1 }
        counters.savedTokens = counters.savedTokens.addingClamped(hit.answer.savedTokens)
      }
    }
    return found
  }

  /// Stores an answer; on disk, as the database's durability says, when this returns.
  @discardableResult
  public func set(_ answer: CachedAnswer, for key: CacheKey, timeToLive: Duration?) async throws -> Bool {
    let life = generator.withLock { options.lifetime.draw(timeToLive, using: &$0) }
    let lifeMilliseconds = Int64(life.inMilliseconds)
    let bytes = answer.byteCount + 2 * key.text.utf8.count
    guard lifeMilliseconds > 0, bytes <= min(options.maximumEntryBytes, options.capacityInBytes) else {
      // It was to replace the old one.
      try await run {
        try await self.database.write { transaction in
          _ = try transaction.execute("DELETE FROM cache_entry WHERE digest = ?1", key.digest.bytes)
        }
      }
      counters.withLock { $0.rejections += 1 }
      return false
    }
    let record: String
    do {
      record = String(
        decoding: try JSONEncoder().encode(StoredCacheRecord(answer, namespace: key.namespace)),
        as: UTF8.self
      )
    } catch {
      throw CacheError(.storeFailed, "The answer could not be encoded.", underlying: error)
    }
    let now = nowMilliseconds
    let capacity = options.capacityInBytes
    let evicted: Int = try await run {
      try await self.database.write { transaction in
        try transaction.execute("DELETE FROM cache_entry WHERE digest = ?1", key.digest.bytes)
        try transaction.execute(
          """
          INSERT INTO cache_entry(digest, namespace, tenant, text, record, vector, is_alias, bytes, saved_tokens,
            created_ms, life_ms) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
          """,
          key.digest.bytes,
          Self.digest(of: key.namespace),
          key.namespace.tenant.rawValue,
          key.text,
          record,
          answer.embedding.map { StoredCacheRecord.bytes($0.values) },
          answer.alias != nil,
          bytes,
          answer.savedTokens,
          now,
          lifeMilliseconds
        )
        let entry = transaction.lastInsertedRowID
        for document in Set(answer.documents) {
          try transaction.execute(
            "INSERT INTO cache_document(document, entry) VALUES(?1, ?2)",
            document.rawValue,
            entry
          )
        }
        return try Self.evict(transaction, toBytes: capacity, now: now, sparing: entry)
      }
    }
    counters.withLock { counters in
      counters.insertions += 1
      counters.evictions += evicted
    }
    return true
  }

  /// Removes entries.
  @discardableResult
  public func remove(_ keys: [CacheKey]) async throws -> Int {
    let removed: Int = try await run {
      try await self.database.write { transaction in
        try keys.reduce(0) { sum, key in
          try transaction.execute("DELETE FROM cache_entry WHERE digest = ?1", key.digest.bytes)
          return sum + transaction.changes
        }
      }
    }
    counters.withLock { $0.invalidations += removed }
    return removed
  }

  /// Removes every entry that draws on one of these documents.
  @discardableResult
  public func invalidate(documents: Set<DocumentID>) async throws -> Int {
    let removed: Int = try await run {
      try await self.database.write { transaction in
        try documents.reduce(0) { sum, document in
          try transaction.execute(
            "DELETE FROM cache_entry WHERE id IN (SELECT entry FROM cache_document WHERE document = ?1)",
            document.rawValue
          )
          return sum + transaction.changes
        }
      }
    }
    counters.withLock { $0.invalidations += removed }
    return removed
  }

  /// Removes everything that a tenant caused.
  @discardableResult
  public func removeAll(of tenant: TenantID) async throws -> Int {
    let removed: Int = try await run {
      try await self.database.write { transaction in
        try transaction.execute("DELETE FROM cache_entry WHERE tenant = ?1", tenant.rawValue)
        return transaction.changes
      }
    }
    counters.withLock { $0.invalidations += removed }
    return removed
  }

  /// Evicts the entries worth least: expired ones, then those that save the fewest tokens by byte.
  @discardableResult
  public func evict(toBytes bytes: Int) async throws -> Int {
    let now = nowMilliseconds
    let evicted: Int = try await run {
      try await self.database.write { try Self.evict($0, toBytes: bytes, now: now, sparing: nil) }
    }
    counters.withLock { $0.evictions += evicted }
    return evicted
  }

  /// The questions of a namespace that have vectors, the newest first.
  public func embeddedEntries(in namespace: CacheNamespace, limit: Int) async throws -> [EmbeddedEntry] {
    let now = nowMilliseconds
    return try await run {
      try await self.database.read { transaction in
        try transaction.query(
          """
          SELECT record, vector, text FROM cache_entry WHERE namespace = ?1 AND vector IS NOT NULL AND is_alias = 0
            AND life_ms - max(0, ?2 - created_ms) > 0 ORDER BY id DESC LIMIT ?3
          """,
          Self.digest(of: namespace),
          now,
          max(0, limit)
        ) { row -> EmbeddedEntry? in
          guard let record = Self.decode(try row.text(0)), record.namespace == namespace,
            let embedding = record.answer(vector: try row.optionalBlob(1)).embedding
          else { return nil }
          return EmbeddedEntry(
            key: CacheKey(namespace: namespace, normalizedText: try row.text(2)),
            question: record.question,
            embedding: embedding
          )
        }.compactMap(\.self)
      }
    }
  }

  /// How the store has been doing since it was created.
  public func statistics() async -> CacheStatistics {
    var result = counters.withLock { $0 }
    result.capacityInBytes = options.capacityInBytes
    if let size = try? await database.read({ transaction in
      try transaction.first("SELECT entries, bytes FROM cache_total") { row in
        (try row.int(0), try row.int(1))
      }
    }) {
      result.entries = size.0
      result.bytes = size.1
    }
    return result
  }

  // MARK: - Private

  private func run<Value>(_ body: () async throws -> Value) async throws -> Value {
    do {
      let value = try await body()
      counters.withLock { $0.isDegraded = false }
      return value
    } catch let error as StorageError {
      counters.withLock { counters in
        counters.failures += 1
        counters.isDegraded = true
      }
      let code: CacheError.Code = error.code == .storageFull ? .storageFull : .storeFailed
      throw CacheError(code, "The cache's database failed: \(error.message)", underlying: error)
    }
  }

  private static func evict(
    _ transaction: SQLiteTransaction,
    toBytes bytes: Int,
    now: Int64,
    sparing entry: Int64?
  ) throws -> Int {
    let size = try transaction.first("SELECT bytes FROM cache_total") { row in try row.int(0) } ?? 0
    guard size > max(0, bytes) else { return 0 }
    // Some room beyond what was asked for, so that a full cache does not sort its entries at every write.
    let target = entry == nil ? max(0, bytes) : bytes - bytes / 20
    return try transaction.execute(
      """
      DELETE FROM cache_entry WHERE id IN (SELECT id FROM (
        SELECT id, sum(bytes) OVER (
          ORDER BY life_ms - max(0, ?1 - created_ms) > 0, CAST(saved_tokens AS REAL) / bytes, id
          ROWS UNBOUNDED PRECEDING) - bytes AS before
        FROM cache_entry WHERE id IS NOT ?2) WHERE before < ?3)
      """,
      now,
      entry,
      size - target
    )
  }

  /// How many milliseconds have passed, in 0...Int64.max; a clock that was set back, which must not give a longer life than
  /// the entry was born with, counts as none.
  private static func age(at now: Int64, since created: Int64) -> Int64 {
    let (age, overflow) = now.subtractingReportingOverflow(created)
    return overflow ? (created < 0 ? .max : 0) : max(0, age)
  }

  private static func digest(of namespace: CacheNamespace) -> [UInt8] {
    var hasher = ContentDigest.Hasher()
    namespace.append(to: &hasher)
    return hasher.finish().bytes
  }

  private static func decode(_ text: String) -> StoredCacheRecord? {
    try? JSONDecoder().decode(StoredCacheRecord.self, from: Data(text.utf8))
  }
}
