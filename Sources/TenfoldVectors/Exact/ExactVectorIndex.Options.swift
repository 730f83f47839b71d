// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

extension ExactVectorIndex {
  /// How an index keeps its rows; every field has a default.
  public struct Options: Sendable {
    /// How a row is kept in memory and on disk.
    public struct RowFormat: Hashable, Sendable, CustomStringConvertible {
      /// The name, as stored in files.
      public let description: String

      /// 4 bytes a value; scores are exact to rounding.
      public static let float32 = Self(description: "float32")
      /// 1 byte a value and one scale a row: a quarter of the memory; scores are within about 0.01 of exact.
      public static let int8 = Self(description: "int8")
    }

    /// How a row is kept.
    public var rowFormat: RowFormat
    /// The most bytes that a snapshot on disk may have, or `nil` for as many as the disk has.
    public var maximumSnapshotSizeInBytes: Int?

    /// Creates options.
    ///
    /// - Parameters:
    ///   - rowFormat: How a row is kept.
    ///   - maximumSnapshotSizeInBytes: The most bytes that a snapshot may have.
    public init(rowFormat: RowFormat = .float32, maximumSnapshotSizeInBytes: Int? = nil) {
      self.rowFormat = rowFormat
      self.maximumSnapshotSizeInBytes = maximumSnapshotSizeInBytes
    }
  }
}
