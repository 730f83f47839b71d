// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Keeps byte strings under keys: what is too large for a row.
///
/// ```swift
/// let blobs = try FileBlobStore(folder: "blobs")
/// try await blobs.put(bytes, at: BlobKey("corpus-7"))
/// let back = try await blobs.get(BlobKey("corpus-7"))
/// ```
public protocol BlobStore: Sendable {
  /// Stores a blob whole or not at all; readers see the old or the new bytes, never a mixture.
  ///
  /// - Parameters:
  ///   - bytes: The contents.
  ///   - key: Where; an older blob there is replaced.
  /// - Throws: ``StorageError``: ``StorageError/Code/storageFull``, ``StorageError/Code/inputOutput``, …
  func put(_ bytes: [UInt8], at key: BlobKey) async throws

  /// Reads a blob and checks it.
  ///
  /// - Parameter key: Where.
  /// - Returns: The bytes as they were stored, or `nil` when there is no such blob.
  /// - Throws: ``StorageError`` with code ``StorageError/Code/corrupt`` when they are not what was stored.
  func get(_ key: BlobKey) async throws -> [UInt8]?

  /// Reads a blob that may have so many bytes, and checks it.
  ///
  /// Unless a store has its own, this reads the blob and then looks at its size.
  ///
  /// - Parameters:
  ///   - key: Where.
  ///   - limit: The most bytes it may have; a larger one should be refused before it is read.
  /// - Returns: The bytes as they were stored, or `nil` when there is no such blob.
  /// - Throws: As ``get(_:)``; ``StorageError`` with code ``StorageError/Code/corrupt`` for a larger one.
  func get(_ key: BlobKey, limit: Int) async throws -> [UInt8]?

  /// Deletes a blob; deleting one that isn't there does nothing.
  ///
  /// Loss of power may bring it back before ``syncDeletions()``.
  ///
  /// - Parameter key: Where.
  /// - Throws: ``StorageError``.
  func delete(_ key: BlobKey) async throws

  /// Waits until what was deleted stays so, also after loss of power.
  ///
  /// Unless a store has its own, this does nothing: right where a deletion is as durable as it gets when it returns.
  ///
  /// - Throws: ``StorageError``.
  func syncDeletions() async throws

  /// Deletes what writers that were killed left half written, and nothing that others are about to write.
  ///
  /// Unless a store has its own, this does nothing: right where nothing is left.
  ///
  /// - Throws: ``StorageError``.
  func removeLeftovers() async throws

  /// Lists the keys.
  ///
  /// - Returns: All keys in ascending order.
  /// - Throws: ``StorageError``.
  func keys() async throws -> [BlobKey]
}

extension BlobStore {
  /// Reads a blob, and refuses it if it has more bytes than it may.
  ///
  /// - Parameters:
  ///   - key: Where.
  ///   - limit: The most bytes it may have.
  /// - Returns: The bytes as they were stored, or `nil` when there is no such blob.
  /// - Throws: As ``get(_:)``; ``StorageError`` with code ``StorageError/Code/corrupt`` for a larger one.
  public func get(_ key: BlobKey, limit: Int) async throws -> [UInt8]? {
    guard let bytes = try await get(key) else { return nil }
    if bytes.count > limit { throw StorageError.tooLarge(key, UInt64(bytes.count), limit) }
    return bytes
  }

  /// Does nothing.
  ///
  /// - Throws: Never.
  public func syncDeletions() async throws {}

  /// Does nothing.
  ///
  /// - Throws: Never.
  public func removeLeftovers() async throws {}
}

extension StorageError {
  static func tooLarge(_ key: BlobKey, _ count: UInt64, _ limit: Int) -> StorageError {
    StorageError(
      .corrupt,
      "blob \(key) has \(count) bytes, but \(limit) at most were stored; restore it from a backup or delete it"
    )
  }
}
