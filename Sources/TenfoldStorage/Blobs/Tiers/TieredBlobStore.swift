// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

internal import Logging
public import TenfoldCore

/// Keeps blobs where they are cheapest: what is new or read lies in the first tier, what is rarely read in colder ones.
///
/// A catalog in a SQLite database names for each blob the object that holds it. Objects never change: a move writes a
/// copy, checks it, lets the catalog name it in one commit, and deletes the old one later. So a crash at any point leaves
/// every blob readable, and nothing else than objects that ``sweep(limit:)`` deletes.
///
/// **Durability.** A blob is as durable as its tier and the catalog's database together when ``put(_:at:)`` returns.
/// Checksums of the contents are in the catalog and are verified at each read and each move.
///
/// ```swift
/// let database = try await SQLiteDatabase.open(.file("blobs.db"), schemas: [TieredBlobStore.schema])
/// let blobs = try TieredBlobStore(catalog: database, tiers: [
///   BlobTier("hot", store: try FileBlobStore(folder: "/nvme/blobs")),
///   BlobTier("cold", store: try FileBlobStore(folder: "/hdd/blobs"), compression: .gzip()),
/// ])
/// ```
public final class TieredBlobStore: BlobStore {
  /// How blobs are kept; every field has a default.
  public struct Options: Sendable {
    /// How long an object is left that nothing names any more.
    ///
    /// A reader that looked the blob up just before a move still finds it. A write that takes longer than this fails.
    public var grace: Duration
    /// How exactly reads are remembered: a blob that is read often costs one write in this time.
    public var readResolution: Duration
    /// The largest blob that a read gives, for data that is damaged or hostile.
    public var maximumSizeInBytes: Int
    /// Nanoseconds since 1970.
    public var wallClock: @Sendable () -> Int64
    /// Makes names for objects; each must be new.
    public var makeObjectName: @Sendable () -> String

    /// Creates options.
    ///
    /// - Parameters:
    ///   - grace: How long an object is left that nothing names any more.
    ///   - readResolution: How exactly reads are remembered.
    ///   - maximumSizeInBytes: The largest blob that a read gives.
    ///   - wallClock: Nanoseconds since 1970.
    ///   - makeObjectName: Makes names for objects; each must be new.
    public init(
      grace: Duration = .seconds(600),
      readResolution: Duration = .seconds(3600),
      maximumSizeInBytes: Int = 1 << 30,
      wallClock: @escaping @Sendable () -> Int64 = { WallClock.nanoseconds() },
      makeObjectName: @escaping @Sendable () -> String = { ObjectName.random() }
    ) {
      self.grace = grace
      self.readResolution = readResolution
      self.maximumSizeInBytes = maximumSizeInBytes
      self.wallClock = wallClock
      self.makeObjectName = makeObjectName
    }
  }

  /// The catalog's tables: give it to ``SQLiteDatabase/open(_:schemas:options:)``.
  public static let schema = BlobCatalog.schema

  /// The tiers, the hottest first.
  public let tiers: [BlobTier]
  let catalog: SQLiteDatabase
  let options: Options

  /// The time by this store's clock: nanoseconds since 1970.
  package var now: Int64 { options.wallClock() }

  /// Creates a store over a catalog and its tiers.
  ///
  /// - Parameters:
  ///   - catalog: A database that was opened with ``schema`` among its schemas, and with ``SQLiteDatabase/Durability/full``:
  ///     loss of power must not take a move back whose old object is deleted.
  ///   - tiers: At least one, of different names; new blobs go to the first.
  ///   - options: How blobs are kept.
  /// - Throws: ``StorageError`` with code ``StorageError/Code/invalidOption``.
  public init(
    catalog: SQLiteDatabase,
    tiers: [BlobTier],
    options: Options = Options()
  ) throws(StorageError) {
    guard !tiers.isEmpty, Set(tiers.map(\.name)).count == tiers.count else {
      throw StorageError(.invalidOption, "a tiered store needs tiers, at least one, of different names")
    }
    guard catalog.options.durability == .full else {
      throw StorageError(
        .invalidOption,
        "the catalog \(catalog.location) is opened with \(catalog.options.durability) durability: loss of power could make "
          + "it name objects that are deleted; open it with full durability"
      )
    }
    self.catalog = catalog
    self.tiers = tiers
    self.options = options
  }

  // MARK: - Blobs

  /// Stores a blob of nobody's in the hottest tier.
  ///
  /// - Parameters:
  ///   - bytes: The contents.
  ///   - key: Where; an older blob there is replaced.
  /// - Throws: ``StorageError``; then the older blob is still there.
  public func put(_ bytes: [UInt8], at key: BlobKey) async throws {
    try await put(bytes, at: key, tenant: "")
  }

  /// Stores a blob in the hottest tier.
  ///
  /// - Parameters:
  ///   - bytes: The contents.
  ///   - key: Where; an older blob there is replaced.
  ///   - tenant: Whose blob it is, so that it can be erased with the tenant.
  /// - Throws: ``StorageError``; then the older blob is still there.
  public func put(_ bytes: [UInt8], at key: BlobKey, tenant: TenantID) async throws {
    guard bytes.count <= options.maximumSizeInBytes else {
      throw StorageError(
        .invalidOption,
        "blob \(key) has \(bytes.count) bytes, more than the \(options.maximumSizeInBytes) that are allowed"
      )
    }
    let now = options.wallClock()
    let record = BlobRecord(
      key: key,
      tenant: tenant,
      version: 0,
      tier: tiers[0].name,
      sizeInBytes: bytes.count,
      storedSizeInBytes: 0,
      storedAt: now,
      readAt: now,
      object: "",
      checksum: checksum(bytes),
      isCompressed: false
    )
    let written = try await write(bytes, record, to: tiers[0])
    let due = dueTime()
    let isNamed = try await catalog.write { tx in
      guard try Self.claim(written, in: tx) else { return false }
      var new = written
      new.version = try BlobCatalog.nextVersion(in: tx)
      if let old = try BlobCatalog.record(key, in: tx) {
        try BlobCatalog.loosen(old.tier, old.object, tenant: old.tenant, due: due, in: tx)
      }
      try BlobCatalog.save(new, in: tx)
      return true
    }
    guard isNamed else { throw sweptAway(written) }
  }

  /// Reads a blob from whichever tier has it, and checks it.
  ///
  /// - Parameter key: Where.
  /// - Returns: The bytes as they were stored, or `nil` when there is no such blob.
  /// - Throws: ``StorageError`` with code ``StorageError/Code/corrupt`` when they are not what was stored, or
  ///   ``StorageError/Code/invalidOption`` when the blob's tier isn't among ``tiers``, or the blob is larger than
  ///   ``Options/maximumSizeInBytes``.
  public func get(_ key: BlobKey) async throws -> [UInt8]? {
    // Between looking up and reading the blob may move, and its old object go.
    for _ in 0..<4 {
      guard let record = try await record(key) else { return nil }
      guard let bytes = try await contents(of: record) else {
        if try await self.record(key) == record { throw missing(record) }
        continue
      }
      await note(readOf: record)
      return bytes
    }
    throw StorageError(.busy, "blob \(key) kept moving while it was read; retry")
  }

  /// Remembers when a blob was read, where that was long enough ago; a catalog that takes no writes keeps nobody from
  /// reading.
  private func note(readOf record: BlobRecord) async {
    let now = options.wallClock()
    guard now >= record.readAt &+ options.readResolution.wholeNanoseconds else { return }
    do {
      // Taken back by loss of power the blob only seems older.
      try await catalog.writeUnsynced { tx in try BlobCatalog.touch(record, at: now, in: tx) }
    } catch {
      Logger(label: "tenfold.storage.blobs").warning(
        "the time of a read could not be written, so the blob seems unread for longer than it is",
        metadata: ["blob": "\(record.key)", "error": "\(error)"]
      )
    }
  }

  /// Deletes a blob; its object goes after ``Options/grace``.
  ///
  /// - Parameter key: Where.
  /// - Throws: ``StorageError``.
  public func delete(_ key: BlobKey) async throws { try await delete(key, version: nil) }

  /// Lists the keys.
  ///
  /// - Returns: All keys in ascending order.
  /// - Throws: ``StorageError``.
  public func keys() async throws -> [BlobKey] {
    var keys: [BlobKey] = []
    while true {
      let page = try await records(after: keys.last, limit: 1000)
      keys += page.map(\.key)
      if page.count < 1000 { return keys }
    }
  }

  /// What is known of a blob.
  ///
  /// - Parameter key: Where.
  /// - Returns: Its row in the catalog, or `nil` when there is no such blob.
  /// - Throws: ``StorageError``.
  public func record(_ key: BlobKey) async throws -> BlobRecord? {
    try await catalog.read { tx in try BlobCatalog.record(key, in: tx) }
  }

  /// What is known of blobs, in the order of their keys.
  ///
  /// - Parameters:
  ///   - key: Only blobs after this one; `nil` for the beginning.
  ///   - tenant: Only this tenant's; `nil` for all.
  ///   - limit: How many at most.
  /// - Returns: Their rows; fewer than `limit` only at the end.
  /// - Throws: ``StorageError``.
  public func records(
    after key: BlobKey? = nil,
    tenant: TenantID? = nil,
    limit: Int
  ) async throws -> [BlobRecord] {
    try await catalog.read { tx in
      try BlobCatalog.records(after: key?.rawValue ?? "", tenant: tenant, limit: max(0, limit), in: tx)
    }
  }
}
