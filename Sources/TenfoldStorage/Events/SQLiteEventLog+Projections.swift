// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

extension SQLiteEventLog {
  /// The version of a projection that answers, and how far it is.
  public struct CurrentProjection: Hashable, Sendable {
    /// The version: part of the tables' names.
    public var version: Int
    /// The sequence of the last event it has applied.
    public var position: Int64
  }

  /// Applies the events that a projection hasn't seen, in transactions of at most `batch` events.
  ///
  /// Cancelling, or a kill, stops between batches; what was applied stays, and the next call goes on after it.
  ///
  /// - Parameters:
  ///   - projection: The view to bring up to date.
  ///   - batch: Events for each transaction, at least 1.
  /// - Returns: The position reached: the newest event when this began, or later.
  /// - Throws: ``StorageError``, `CancellationError`, or what the projection throws: then that batch is undone.
  @discardableResult
  public func catchUp(_ projection: some Projection, batch: Int = 500) async throws -> Int64 {
    while true {
      let step = try await advance(projection, batch: batch, switch: .never)
      if step.isAtEnd { return step.position }
    }
  }

  /// Catches up, then makes this version the one that answers.
  ///
  /// The switch is in the transaction that applies the last events there are, so whoever reads through
  /// ``readCurrent(_:_:)`` sees the old version's tables or the new one's, each whole. While this version is computed the
  /// old one goes on being updated and read. A kill at any point leaves the old version answering; the next call goes on.
  ///
  /// - Parameters:
  ///   - projection: The version that shall answer.
  ///   - batch: Events for each transaction, at least 1.
  /// - Returns: The position reached.
  /// - Throws: As ``catchUp(_:batch:)``.
  @discardableResult
  public func takeOver(_ projection: some Projection, batch: Int = 500) async throws -> Int64 {
    while true {
      let step = try await advance(projection, batch: batch, switch: .always)
      if step.isAtEnd { return step.position }
    }
  }

  /// Catches up, then makes this version the one that answers unless a newer one does by then: two builds that run beside each
  /// other take nothing back, whatever comes between.
  func takeOverFromOlder(_ projection: some Projection, batch: Int = 500) async throws {
    while try await !advance(projection, batch: batch, switch: .fromOlder).isAtEnd {}
  }

  /// Whether a version that is up to date becomes the one that answers.
  private enum Switch {
    case never, fromOlder, always
  }

  private func advance(
    _ projection: some Projection,
    batch: Int,
    switch wanted: Switch
  ) async throws -> (position: Int64, isAtEnd: Bool) {
    try Task.checkCancellation()
    let limit = max(1, batch)
    return try await database.write { [applied] tx in
      try projection.prepare(in: tx)
      let position = try Self.position(of: projection, in: tx)
      let events = try Self.events(after: position, limit: limit, in: tx)
      for event in events { try projection.apply(event, in: tx) }
      let reached = events.last?.sequence ?? position
      // What is up to date already writes nothing, so looking costs no commit.
      try tx.execute(
        """
        INSERT INTO projection(name, version, position) VALUES(?1, ?2, ?3)
        ON CONFLICT DO UPDATE SET position = excluded.position WHERE position <> excluded.position
        """,
        projection.name,
        projection.version,
        reached
      )
      let isAtEnd = events.count < limit
      if isAtEnd, wanted != .never {
        try tx.execute(
          """
          INSERT INTO projection_current(name, version) VALUES(?1, ?2)
          ON CONFLICT DO UPDATE SET version = excluded.version
            WHERE version < excluded.version OR (?3 AND version <> excluded.version)
          """,
          projection.name,
          projection.version,
          wanted == .always ? 1 : 0
        )
      }
      tx.onCommit { applied.send(()) }
      return (reached, isAtEnd)
    }
  }

  /// How far a projection has come.
  ///
  /// - Parameter projection: The view.
  /// - Returns: The sequence of the last event it has applied, 0 for none.
  /// - Throws: ``StorageError``.
  public func position(of projection: some Projection) async throws -> Int64 {
    try await database.read { tx in try Self.position(of: projection, in: tx) }
  }

  /// Which version of a projection answers.
  ///
  /// - Parameter name: The projection's name.
  /// - Returns: The version and its position; `nil` when none has taken over yet.
  /// - Throws: ``StorageError``.
  public func current(_ name: String) async throws -> CurrentProjection? {
    try await database.read { tx in try Self.current(name, in: tx) }
  }

  /// Reads from the version of a projection that answers, in one snapshot with the choice of it.
  ///
  /// - Parameters:
  ///   - name: The projection's name.
  ///   - body: Reads the tables of the given version.
  /// - Returns: What `body` returned.
  /// - Throws: ``StorageError`` with code ``StorageError/Code/notFound`` when no version has taken over; what `body` throws.
  public func readCurrent<Value: Sendable>(
    _ name: String,
    _ body: @escaping @Sendable (CurrentProjection, SQLiteTransaction) throws -> Value
  ) async throws -> Value {
    try await database.read { tx in
      guard let current = try Self.current(name, in: tx) else {
        throw StorageError(.notFound, "no version of projection \(name) answers yet: call takeOver")
      }
      return try body(current, tx)
    }
  }

  /// Forgets a version and deletes its tables, in one transaction; doing so again changes nothing.
  ///
  /// - Parameter projection: A version that doesn't answer.
  /// - Throws: ``StorageError`` with code ``StorageError/Code/misuse`` for the version that answers.
  public func retire(_ projection: some Projection) async throws {
    try await database.write { tx in
      guard try Self.current(projection.name, in: tx)?.version != projection.version else {
        throw StorageError(
          .misuse,
          "version \(projection.version) of projection \(projection.name) answers: let another take over first"
        )
      }
      try projection.discard(in: tx)
      try tx.execute(
        "DELETE FROM projection WHERE name = ?1 AND version = ?2",
        projection.name,
        projection.version
      )
    }
  }

  /// Deletes the events that every projection and every sink has applied.
  ///
  /// A projection that hasn't begun doesn't hold back: let it take over first. Versions that are no longer caught up do:
  /// ``retire(_:)`` them. Of sinks these hold back, also before their first event:
  ///
  /// - those of each ``WriteBehind`` over this value or a copy of it, while that exists;
  /// - each ``SQLiteWriteSink`` and ``ErasureSink`` that has a position in the log's database, whoever runs it and whatever
  ///   log it follows: ``SQLiteWriteSink/retire()`` those that are no longer used;
  /// - the given ones: name those that only other processes run and whose positions are elsewhere.
  ///
  /// - Parameter sinks: More sinks that follow the log.
  /// - Returns: The last event deleted, 0 when nothing follows the log.
  /// - Throws: ``StorageError``, or what a sink throws whose position can't be read: then nothing is deleted.
  @discardableResult
  public func trimApplied(and sinks: [any WriteSink] = []) async throws -> Int64 {
    var positions = try await database.read { tx in
      let projections = try tx.query("SELECT position FROM projection") { try $0.int64(0) }
      return try projections + SQLiteWriteSink.positions(in: tx)
    }
    for sink in followers.all + sinks { positions.append(try await sink.position()) }
    let position = positions.min() ?? 0
    try await trim(through: position)
    return position
  }

  static func position(of projection: some Projection, in tx: SQLiteTransaction) throws -> Int64 {
    try tx.first(
      "SELECT position FROM projection WHERE name = ?1 AND version = ?2",
      projection.name,
      projection.version
    ) { try $0.int64(0) } ?? 0
  }

  static func current(_ name: String, in tx: SQLiteTransaction) throws -> CurrentProjection? {
    try tx.first(
      """
      SELECT c.version, coalesce(p.position, 0) FROM projection_current AS c
      LEFT JOIN projection AS p ON p.name = c.name AND p.version = c.version WHERE c.name = ?1
      """,
      name
    ) { CurrentProjection(version: try $0.int(0), position: try $0.int64(1)) }
  }
}
