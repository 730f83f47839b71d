// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A place to read from, and how far it has come.
public struct ReadReplica<Source: Sendable>: Sendable {
  /// The name, for people.
  public var name: String
  /// What is read from: a database, a connection pool, an index.
  public var source: Source
  /// The sequence of the last write that it shows; it never goes back.
  ///
  /// A router cancels it when nobody waits for its answer any more, and asks one that goes on nevertheless no second time
  /// before it has answered.
  public var position: @Sendable () async throws -> Int64

  /// Creates a replica.
  ///
  /// - Parameters:
  ///   - name: The name, for people.
  ///   - source: What is read from.
  ///   - position: The sequence of the last write that it shows.
  public init(
    _ name: String,
    source: Source,
    position: @escaping @Sendable () async throws -> Int64
  ) {
    self.name = name
    self.source = source
    self.position = position
  }
}

extension ReadReplica where Source == SQLiteDatabase {
  /// The log's own database: its readers see each commit at once, so it is never behind.
  ///
  /// - Parameter log: The log.
  /// - Returns: A place to read from, as a primary.
  public static func primary(_ log: SQLiteEventLog) -> Self {
    Self("primary", source: log.database) { try await log.latest() }
  }

  /// A database that a ``SQLiteWriteSink`` fills.
  ///
  /// - Parameters:
  ///   - name: The name, for people.
  ///   - sink: What fills it.
  /// - Returns: A replica.
  public static func replica(_ name: String, _ sink: SQLiteWriteSink) -> Self {
    Self(name, source: sink.database) { try await sink.position() }
  }
}
