// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// One of the places among which a ``TieredBlobStore`` moves blobs.
public struct BlobTier: Sendable {
  /// How a tier's blobs are compressed.
  public struct Compression: Hashable, Sendable {
    let level: Int?

    /// As they are.
    public static let none = Self(level: nil)

    /// By zlib; a blob that doesn't get smaller is stored as it is.
    ///
    /// - Parameter level: 1 (fast) … 9 (small).
    /// - Returns: The compression.
    public static func gzip(level: Int = 6) -> Self { Self(level: min(9, max(1, level))) }
  }

  /// The name, which is stored with each blob: it stays when the place behind it changes.
  public var name: String
  /// The place; it holds nothing but this tier's objects.
  public var store: any BlobStore
  /// How blobs are compressed there.
  public var compression: Compression

  /// Creates a tier.
  ///
  /// - Parameters:
  ///   - name: The name, which is stored with each blob.
  ///   - store: The place; it holds nothing but this tier's objects.
  ///   - compression: How blobs are compressed there.
  public init(_ name: String, store: any BlobStore, compression: Compression = .none) {
    self.name = name
    self.store = store
    self.compression = compression
  }
}
