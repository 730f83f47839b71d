// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// What a ``TieredBlobStore`` knows of a blob without reading it.
public struct BlobRecord: Hashable, Sendable {
  /// The blob's key.
  public var key: BlobKey
  /// Whose blob it is; empty for nobody's.
  public var tenant: TenantID
  /// Rises each time the key gets new contents.
  public var version: Int64
  /// The name of the tier that holds it.
  public var tier: String
  /// Its bytes.
  public var sizeInBytes: Int
  /// What it takes in its tier.
  public var storedSizeInBytes: Int
  /// When these contents were put: nanoseconds since 1970.
  public var storedAt: Int64
  /// When they were read last, to within ``TieredBlobStore/Options/readResolution``: nanoseconds since 1970.
  public var readAt: Int64
  /// The key in the tier's store.
  var object: String
  var checksum: UInt32
  var isCompressed: Bool
}
