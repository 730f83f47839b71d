// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

extension SQLiteDatabase {
  /// When a commit counts as done.
  public struct Durability: Hashable, Sendable, CustomStringConvertible {
    /// The name, as printed.
    public let description: String
    let pragma: String

    /// Each commit is synced to the disk: acknowledged data survives a crash of the process, of the system, and
    /// loss of power, as far as the disk honours a sync.
    public static let full = Self(description: "full", pragma: "FULL")
    /// Commits are synced only at checkpoints.
    ///
    /// Acknowledged data survives a crash of the process, but loss of power or a crash of the system can take back
    /// the newest commits. The file stays consistent.
    public static let relaxed = Self(description: "relaxed", pragma: "NORMAL")
  }

  /// How a database is opened; every field has a default.
  public struct Options: Sendable {
    /// When a commit counts as done.
    public var durability: Durability
    /// Connections that read beside the writer, each on its own thread: 1…64.
    public var readerCount: Int
    /// How long to wait for another process's lock.
    public var busyTimeout: Duration
    /// The page cache of each connection: at least 64 KiB.
    public var cacheSizeInBytes: Int
    /// The size the file may reach, `nil` for no limit but the disk's.
    ///
    /// Beyond it writes throw ``StorageError/Code/storageFull``.
    public var maximumSizeInBytes: Int?
    /// Operations that share one commit at most; what waits longer goes into the next one.
    public var maximumGroupSize: Int
    /// The registered file system to use instead of the system's own, for tests that let it fail.
    package var fileSystem: String?

    /// Creates options.
    ///
    /// - Parameters:
    ///   - durability: When a commit counts as done.
    ///   - readerCount: Connections that read beside the writer: 1…64.
    ///   - busyTimeout: How long to wait for another process's lock.
    ///   - cacheSizeInBytes: The page cache of each connection.
    ///   - maximumSizeInBytes: The size the file may reach; `nil` for no limit but the disk's.
    ///   - maximumGroupSize: Operations that share one commit at most.
    public init(
      durability: Durability = .full,
      readerCount: Int = 2,
      busyTimeout: Duration = .seconds(5),
      cacheSizeInBytes: Int = 16 << 20,
      maximumSizeInBytes: Int? = nil,
      maximumGroupSize: Int = 4096
    ) {
      self.durability = durability
      self.readerCount = readerCount
      self.busyTimeout = busyTimeout
      self.cacheSizeInBytes = cacheSizeInBytes
      self.maximumSizeInBytes = maximumSizeInBytes
      self.maximumGroupSize = maximumGroupSize
    }

    func validate() throws(StorageError) {
      try StorageError.require((1...64).contains(readerCount), "readerCount", "1…64")
      try StorageError.require(busyTimeout >= .zero, "busyTimeout", "0 or more")
      try StorageError.require(cacheSizeInBytes >= 64 << 10, "cacheSizeInBytes", "at least 65,536")
      try StorageError.require(
        maximumSizeInBytes ?? .max >= 64 << 10,
        "maximumSizeInBytes",
        "at least 65,536"
      )
      try StorageError.require(maximumGroupSize >= 1, "maximumGroupSize", "at least 1")
    }
  }

  /// Where a database lives.
  public struct Location: Hashable, Sendable, CustomStringConvertible {
    let path: String
    let isInMemory: Bool

    /// A file; it is created when missing, its folder is not.
    ///
    /// - Parameter path: The path of the main file; SQLite keeps `-wal` and `-shm` files beside it.
    /// - Returns: The location.
    public static func file(_ path: String) -> Self { Self(path: path, isInMemory: false) }

    /// Memory only, for tests: gone when the database is closed.
    public static let inMemory = Self(path: ":memory:", isInMemory: true)

    /// The path, as given.
    public var description: String { path }
  }

  /// Counts since the database was opened.
  public struct Statistics: Sendable, Equatable {
    /// Transactions committed by the writer.
    public var commits = 0
    /// Write operations that were part of a commit.
    public var committedOperations = 0
    /// Write operations that failed, alone or with their group.
    public var failedOperations = 0
    /// Write operations that wait for the writer now.
    public var waitingOperations = 0
  }
}
