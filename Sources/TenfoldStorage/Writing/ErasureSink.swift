// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// Erases a tenant elsewhere once it was erased in a log: in a cache, an index, a service.
///
/// So one call, ``EventLog/erase(_:)`` or that of any record over the log, reaches everything that follows the log.
/// Give it to a ``WriteBehind``, whose ``WriteBehind/wait(for:)`` tells when it has come so far.
///
/// **Durability.** The position is in the database, and is moved after the erasing: a kill in between erases again. An
/// erasure that throws is tried again until it is done.
///
/// A sink without a position begins with the log's first event, and so erases tenants again that were erased before and
/// have come back since: ``begin(after:)`` lets one that is added to a log in use begin with what comes now. In the same way
/// a sink that lags behind erases what a tenant has written since; keep ``WriteBehind/run()`` running.
///
/// ```swift
/// let erasures = WriteBehind(log: log, sink: ErasureSink("cache", in: database) { tenant in
///   try await semanticCache.removeAll(of: tenant)
/// })
/// try await erasures.run()  // in the host's service group
/// ```
public struct ErasureSink: WriteSink {
  private let positions: SQLiteWriteSink
  private let erase: @Sendable (TenantID) async throws -> Void

  /// Creates a sink whose position is in a database that was opened with ``SQLiteWriteSink/schema``.
  ///
  /// - Parameters:
  ///   - name: Different for each sink of the database.
  ///   - database: Where the position is kept.
  ///   - erase: Erases a tenant; it can be called again for one that is gone.
  public init(
    _ name: String,
    in database: SQLiteDatabase,
    erase: @escaping @Sendable (TenantID) async throws -> Void
  ) {
    var positions = SQLiteWriteSink(name, in: database) { _, _ in }
    positions.emptiesLog = false
    self.positions = positions
    self.erase = erase
  }

  /// The sequence of the last event whose erasure is done.
  ///
  /// - Returns: The position, 0 for none.
  /// - Throws: ``StorageError``.
  public func position() async throws -> Int64 { try await positions.position() }

  /// Lets a sink that has no position yet pass over earlier events; one that has a position stays where it is.
  ///
  /// ```swift
  /// try await sink.begin(after: log.latest())
  /// ```
  ///
  /// - Parameter position: The last event that it shall not look at.
  /// - Throws: ``StorageError``.
  public func begin(after position: Int64) async throws { try await positions.begin(after: position) }

  /// Forgets the position of a sink that is no longer used, so that it holds back no trimming of a log in its database.
  ///
  /// - Throws: ``StorageError``.
  public func retire() async throws { try await positions.retire() }

  /// Erases the tenants that events say were erased; other events change nothing.
  ///
  /// - Parameter writes: In rising order.
  /// - Throws: What erasing throws, or ``StorageError``: then they come again.
  public func apply(_ writes: [StoredEvent]) async throws {
    let position = try await positions.position()
    for write in writes where write.sequence > position && write.kind == StoredEvent.erasure {
      try await erase(TenantID(write.subject))
    }
    try await positions.apply(writes)
  }
}
