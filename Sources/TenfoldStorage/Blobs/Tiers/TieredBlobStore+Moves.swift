// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

extension TieredBlobStore {
  /// Moves a blob to another tier: copy, check, switch, and delete the old object later.
  ///
  /// Moving again, after a crash or by mistake, changes nothing or goes on.
  ///
  /// - Parameters:
  ///   - key: The blob.
  ///   - tier: The name of the tier to move it to.
  ///   - version: Only these contents; `nil` for whichever there are.
  /// - Returns: Whether this call moved it: `false` when it is there already, is gone, or has other contents.
  /// - Throws: ``StorageError`` with code ``StorageError/Code/corrupt`` when the blob or its copy isn't what was stored:
  ///   then it stays where it is; ``StorageError/Code/invalidOption`` for an unknown tier; or another one.
  @discardableResult
  public func move(_ key: BlobKey, to tier: String, version: Int64? = nil) async throws -> Bool {
    let target = try self.tier(tier)
    guard let record = try await record(key), record.tier != tier else { return false }
    if let version, version != record.version { return false }
    guard let bytes = try await contents(of: record) else {
      // It moved, or went, between looking up and reading: whoever did that was first.
      if try await self.record(key) == record { throw missing(record) }
      return false
    }
    let copy = try await write(bytes, record, to: target)
    do {
      guard try await contents(of: copy) == bytes else { throw missing(copy) }
    } catch {
      await relist(copy)
      throw error
    }
    let due = dueTime()
    let isMoved: Bool? = try await catalog.write { tx in
      guard try Self.claim(copy, in: tx) else { return nil }
      guard let now = try BlobCatalog.record(key, in: tx), now.version == record.version,
        now.object == record.object
      else {
        // Replaced or moved meanwhile: the copy goes at the next sweep.
        try BlobCatalog.loosen(copy.tier, copy.object, tenant: copy.tenant, due: 0, in: tx)
        return false
      }
      var moved = copy
      moved.readAt = now.readAt
      try BlobCatalog.save(moved, in: tx)
      try BlobCatalog.loosen(record.tier, record.object, tenant: record.tenant, due: due, in: tx)
      return true
    }
    guard let isMoved else { throw sweptAway(copy) }
    return isMoved
  }

  /// Deletes a blob if it still has certain contents.
  ///
  /// - Parameters:
  ///   - key: The blob.
  ///   - version: Only these contents; `nil` for whichever there are.
  /// - Throws: ``StorageError``.
  public func delete(_ key: BlobKey, version: Int64?) async throws {
    try await delete(key) { version == nil || version == $0.version }
  }

  /// Deletes a blob if what is known of it at that moment says so.
  ///
  /// - Parameters:
  ///   - key: The blob.
  ///   - isWanted: Whether it goes.
  /// - Throws: ``StorageError``.
  package func delete(_ key: BlobKey, where isWanted: @escaping @Sendable (BlobRecord) -> Bool) async throws {
    let due = dueTime()
    try await catalog.write { tx in
      guard let record = try BlobCatalog.record(key, in: tx), isWanted(record) else { return }
      try BlobCatalog.remove(key, in: tx)
      try BlobCatalog.loosen(record.tier, record.object, tenant: record.tenant, due: due, in: tx)
    }
  }

  /// Deletes objects that nothing names: those of moved, replaced and deleted blobs, and what crashes left behind.
  ///
  /// A kill between the object and its entry deletes it again, which does nothing. An object that can't be deleted doesn't
  /// keep the others from being swept, nor a tier that fails the other tiers; such objects are tried again by later sweeps,
  /// after all others.
  ///
  /// - Parameter limit: How many at most.
  /// - Returns: How many were deleted.
  /// - Throws: ``StorageError``, or what the first object or tier that failed throws, after the others were swept.
  @discardableResult
  public func sweep(limit: Int = 1000) async throws -> Int {
    let now = options.wallClock()
    var count = 0
    var failure: (any Error)?
    // Tier by tier, so that what can't be deleted, or lies in a tier that is configured no more, doesn't fill the limit.
    for tier in tiers {
      let left = max(0, limit - count)
      let due = try await catalog.read { tx in
        try BlobCatalog.due(now, tier: tier.name, limit: left, in: tx)
      }
      do { try await delete(due, from: tier, &count) } catch {
        try Task.checkCancellation()
        failure = failure ?? error
      }
    }
    if let failure { throw failure }
    return count
  }

  /// Deletes what writers that were killed left half written in the tiers.
  ///
  /// - Throws: ``StorageError``, or what the first tier that failed throws, after the others were looked through.
  /// - Complexity: Linear in the files of the tiers.
  public func removeLeftovers() async throws {
    var failure: (any Error)?
    for tier in tiers {
      do { try await tier.store.removeLeftovers() } catch {
        try Task.checkCancellation()
        failure = failure ?? error
      }
    }
    if let failure { throw failure }
  }

  /// Erases all blobs of a tenant: their objects are deleted when this returns, and so is what killed writers left half written.
  ///
  /// A blob of the tenant that is put or moved at the same time may be left, or its writer fails with
  /// ``StorageError/Code/busy``: erase again once nothing writes. An object whose writer may still be at work stays listed, with
  /// the tenant's name, until ``Options/grace`` is over, and is deleted once more by a sweep after that.
  ///
  /// An object that can't be deleted doesn't keep the others from being deleted.
  ///
  /// - Parameter tenant: Whose blobs.
  /// - Returns: How many objects were deleted.
  /// - Throws: ``StorageError``, or what the first object that failed throws, after the others were deleted; call it again
  ///   to go on. ``StorageError/Code/invalidOption`` when some lie in a tier that this store was made without: they stay.
  @discardableResult
  public func erase(_ tenant: TenantID) async throws -> Int {
    guard tenant != "" else { throw StorageError(.invalidOption, "erase needs the name of a tenant") }
    while true {
      let page = try await records(tenant: tenant, limit: 500)
      if page.isEmpty { break }
      try await catalog.write { tx in
        for record in page {
          guard let now = try BlobCatalog.record(record.key, in: tx), now.tenant == tenant else { continue }
          try BlobCatalog.remove(record.key, in: tx)
          try BlobCatalog.loosen(now.tier, now.object, tenant: tenant, due: 0, in: tx)
        }
      }
    }
    let loose = try await catalog.read { tx in try BlobCatalog.loose(of: tenant, in: tx) }
    var count = 0
    var failure: (any Error)?
    for tier in tiers {
      do { try await delete(loose.filter { $0.tier == tier.name }, from: tier, &count) } catch {
        try Task.checkCancellation()
        failure = failure ?? error
      }
    }
    do { try await removeLeftovers() } catch {
      try Task.checkCancellation()
      failure = failure ?? error
    }
    if let failure { throw failure }
    let names = Set(tiers.map(\.name))
    let doom = BlobCatalog.doom(at: options.wallClock())
    if let absent = loose.first(where: { !names.contains($0.tier) && !$0.isDeletedEarly(at: doom) }) {
      throw StorageError(
        .invalidOption,
        "objects of tenant “\(tenant.rawValue)” lie in tier “\(absent.tier)”, which this store was made without, and were not "
          + "deleted: erase again with a store that has this tier"
      )
    }
    return count
  }

  /// Objects that are deleted before their folder is synced.
  private static let deletedAtOnce = 100
  /// Objects that fail one after the other before their tier counts as out of reach.
  private static let failuresInARow = 10

  /// Which deletions of a tier failed.
  private struct Failures {
    var first: (any Error)?
    var inARow = 0
    var isTooMany: Bool { inARow >= failuresInARow }
  }

  /// Deletes objects of a tier and counts them; throws what the first that failed throws, after the others are gone.
  private func delete(_ objects: [BlobCatalog.Loose], from tier: BlobTier, _ count: inout Int) async throws {
    let doom = BlobCatalog.doom(at: options.wallClock())
    var (rest, failures) = (objects[...], Failures())
    while !rest.isEmpty, !failures.isTooMany {
      var deleted: [BlobCatalog.Loose] = []
      var ending: (any Error)?
      do {
        try await delete(rest.prefix(Self.deletedAtOnce), from: tier, doom, &deleted, &failures)
      } catch { ending = error }
      // Also where one failed: the others are gone.
      try await forget(deleted, in: tier, doom)
      if let ending { throw ending }
      // What is still listed from an earlier erasure was counted by that.
      count += deleted.count { !$0.isDeletedEarly(at: doom) }
      rest = rest.dropFirst(Self.deletedAtOnce)
    }
    if let failure = failures.first { throw failure }
  }

  private func delete(
    _ objects: ArraySlice<BlobCatalog.Loose>,
    from tier: BlobTier,
    _ doom: Int64,
    _ deleted: inout [BlobCatalog.Loose],
    _ failures: inout Failures
  ) async throws {
    for loose in objects where !failures.isTooMany {
      try Task.checkCancellation()
      // Its writer may be about to name it after all: whoever comes first to the catalog decides.
      guard try await catalog.writeUnsynced({ tx in try BlobCatalog.doom(loose, as: doom, in: tx) }) else {
        continue
      }
      do {
        try await tier.store.delete(try BlobKey(loose.object))
        deleted.append(loose)
        failures.inARow = 0
      } catch {
        try Task.checkCancellation()
        failures.first = failures.first ?? error
        failures.inARow += 1
      }
    }
  }

  /// Takes deleted objects off the list, once nothing can bring them back that the list would not name.
  private func forget(_ deleted: [BlobCatalog.Loose], in tier: BlobTier, _ doom: Int64) async throws {
    guard !deleted.isEmpty else { return }
    try await tier.store.syncDeletions()
    try await catalog.writeUnsynced { tx in
      for loose in deleted { try BlobCatalog.forget(loose, doomedAs: doom, in: tx) }
    }
  }

  // MARK: - Objects

  /// Writes contents into a tier as a new object, which is listed as loose from before it is there.
  func write(_ bytes: [UInt8], _ record: BlobRecord, to tier: BlobTier) async throws -> BlobRecord {
    var written = record
    written.tier = tier.name
    written.object = options.makeObjectName()
    var stored = bytes
    if let level = tier.compression.level {
      let compressed = try await DedicatedThread.run(name: "tenfold-blob-gz") {
        try Gzip.compress(bytes, level: level)
      }
      if compressed.count < bytes.count { stored = compressed }
    }
    written.isCompressed = stored.count < bytes.count
    written.storedSizeInBytes = stored.count
    let (new, due) = (written, dueTime())
    try await catalog.write { tx in
      try BlobCatalog.loosen(new.tier, new.object, tenant: new.tenant, due: due, in: tx)
    }
    do { try await tier.store.put(stored, at: try BlobKey(written.object)) } catch {
      await relist(written)
      throw error
    }
    return written
  }

  /// Lists an object again that its writer gives up: it may be there although an erasure or a sweep took it off the list
  /// before it was written.
  private func relist(_ record: BlobRecord) async {
    let due = dueTime()
    // Where this fails, it is most likely still listed, and its writer throws what failed first.
    _ = try? await catalog.write { tx in
      try BlobCatalog.loosen(record.tier, record.object, tenant: record.tenant, due: due, in: tx)
    }
  }

  /// Takes a written object off the list of the loose ones, as a row is about to name it.
  ///
  /// `false` when it isn't listed or is being deleted: then it is listed again, as it may have been written after that, and
  /// the transaction has to end without naming it.
  static func claim(_ record: BlobRecord, in tx: SQLiteTransaction) throws -> Bool {
    if try BlobCatalog.bind(record.tier, record.object, in: tx) { return true }
    try BlobCatalog.loosen(record.tier, record.object, tenant: record.tenant, due: 0, in: tx)
    return false
  }

  func sweptAway(_ record: BlobRecord) -> StorageError {
    StorageError(
      .busy,
      "blob \(record.key) took longer to write than the grace, or its tenant was erased meanwhile, so its object was "
        + "swept away; retry"
    )
  }

  /// The contents of a blob, checked; `nil` when its object isn't there.
  func contents(of record: BlobRecord) async throws -> [UInt8]? {
    let tier = try self.tier(record.tier)
    let limit = record.sizeInBytes
    guard limit <= options.maximumSizeInBytes else {
      throw StorageError(
        .invalidOption,
        "blob \(record.key) has \(limit) bytes, more than the \(options.maximumSizeInBytes) that are allowed: "
          + "raise maximumSizeInBytes to read it"
      )
    }
    // What is stored is never larger than the blob.
    guard let stored = try await tier.store.get(try BlobKey(record.object), limit: limit) else { return nil }
    var bytes = stored
    if record.isCompressed {
      do {
        bytes = try await DedicatedThread.run(name: "tenfold-blob-gz") {
          try Gzip.decompress(stored, limit: limit)
        }
      } catch let error as CompressionError {
        throw damaged(record, error)
      }
    }
    guard bytes.count == record.sizeInBytes, checksum(bytes) == record.checksum else {
      throw damaged(record, nil)
    }
    return bytes
  }

  func checksum(_ bytes: [UInt8]) -> UInt32 {
    var checksum = CRC32Checksum()
    checksum.update(bytes.span)
    return checksum.value
  }

  func dueTime() -> Int64 {
    let (due, overflow) = options.wallClock().addingReportingOverflow(options.grace.wholeNanoseconds)
    // Below zero are those that are being deleted.
    return overflow ? .max : max(0, due)
  }

  func missing(_ record: BlobRecord) -> StorageError {
    StorageError(
      .corrupt,
      "the object \(record.object) of blob \(record.key) is missing in tier \(record.tier); restore it from a backup"
    )
  }

  private func damaged(_ record: BlobRecord, _ error: (any Error)?) -> StorageError {
    StorageError(
      .corrupt,
      "blob \(record.key) in tier \(record.tier) isn't what was stored; restore it from a backup or delete it",
      underlying: error
    )
  }

  private func tier(_ name: String) throws(StorageError) -> BlobTier {
    guard let tier = tiers.first(where: { $0.name == name }) else {
      throw StorageError(.invalidOption, "there is no tier “\(name)”: this store was made without it")
    }
    return tier
  }
}
