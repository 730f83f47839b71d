// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// What a clean-up removed, or would remove.
public struct ModelPruneReport: Hashable, Sendable {
  /// One thing that nothing needs any more.
  public struct Item: Hashable, Sendable {
    /// Where it is.
    public let path: String
    /// Why it can go.
    public let reason: String
    /// Its size in bytes.
    public let size: UInt64
  }

  /// What was found, in the order of the folders.
  public let items: [Item]
  /// Whether it was removed, not only listed.
  public let isRemoved: Bool

  /// The bytes that it takes.
  public var size: UInt64 { items.reduce(0) { $0 &+ $1.size } }
}
