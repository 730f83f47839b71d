// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Keeps blobs in memory: for tests, and for what may be lost with the process.
///
/// ```swift
/// let blobs = InMemoryBlobStore()
/// try await blobs.put([1, 2, 3], at: BlobKey("numbers"))
/// ```
public final class InMemoryBlobStore: BlobStore {
  private let blobs = Mutex<[BlobKey: [UInt8]]>([:])

  /// Creates an empty store.
  public init() {}

  /// Stores a blob, in memory only.
  ///
  /// - Parameters:
  ///   - bytes: The contents.
  ///   - key: Where; an older blob there is replaced.
  /// - Throws: Never.
  public func put(_ bytes: [UInt8], at key: BlobKey) async throws { blobs.withLock { $0[key] = bytes } }

  /// Reads a blob.
  ///
  /// - Parameter key: Where.
  /// - Returns: The bytes as they were stored, or `nil` when there is no such blob.
  /// - Throws: Never.
  public func get(_ key: BlobKey) async throws -> [UInt8]? { blobs.withLock { $0[key] } }

  /// Deletes a blob.
  ///
  /// - Parameter key: Where.
  /// - Throws: Never.
  public func delete(_ key: BlobKey) async throws { _ = blobs.withLock { $0.removeValue(forKey: key) } }

  /// Lists the keys.
  ///
  /// - Returns: All keys in ascending order.
  /// - Throws: Never.
  public func keys() async throws -> [BlobKey] {
    blobs.withLock { $0.keys.sorted { $0.rawValue < $1.rawValue } }
  }
}
