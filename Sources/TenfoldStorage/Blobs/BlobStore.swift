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

  /// Deletes a blob; deleting one that isn't there does nothing.
  ///
  /// - Parameter key: Where.
  /// - Throws: ``StorageError``.
  func delete(_ key: BlobKey) async throws

  /// Lists the keys.
  ///
  /// - Returns: All keys in ascending order.
  /// - Throws: ``StorageError``.
  func keys() async throws -> [BlobKey]
}
