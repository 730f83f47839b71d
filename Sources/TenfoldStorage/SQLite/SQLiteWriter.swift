// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

internal import Metrics
import Synchronization

/// The writer's thread: it takes everything that waits, runs it in one transaction, and resumes everyone.
///
/// Whoever arrives during a commit shares the next one, so a lone caller pays for one sync and many callers share
/// it. There is no timer. An operation that fails is undone alone (by its savepoint); a commit that fails fails all.
final class SQLiteWriter: Sendable {
  let mailbox = ThreadMailbox<SQLiteOperation>()
  let statistics = Mutex(SQLiteDatabase.Statistics())
  private let maximumGroupSize: Int
  /// Whether commits are synced at all, so that one can do without.
  private let canSkipSync: Bool
  private let fence: SchemaFence
  /// Moves the log; `nil` where there is none.
  private let checkpointer: SQLiteCheckpointer?

  init(maximumGroupSize: Int, canSkipSync: Bool, fence: SchemaFence, checkpointer: SQLiteCheckpointer?) {
    self.maximumGroupSize = maximumGroupSize
    self.canSkipSync = canSkipSync
    self.fence = fence
    self.checkpointer = checkpointer
  }

  /// What lasts from one group to the next.
  private struct Condition {
    var fence: SchemaFence
    /// Set when the writer can't be trusted any more.
    var broken: StorageError?
    /// Whether commits wait for the disk now.
    var syncs = true
    /// Whether the disk was full, and the log has not been moved into the file since.
    ///
    /// A disk can be full long before the log is long enough to be moved, and then holds everything twice.
    var needsRoom = false
  }

  /// Serves the mailbox until it is closed and empty; owns `connection` and closes it at the end.
  func serve(_ connection: SQLiteConnection) {
    let commits = Counter(label: "tenfold.storage.commits")
    let groupSize = Recorder(label: "tenfold.storage.group_size")
    var condition = Condition(fence: fence)
    reserveLog(connection, &condition)
    while let waiting = mailbox.takeAll() {
      var rest = waiting[...]
      while !rest.isEmpty {
        let group = rest.prefix(maximumGroupSize)
        let outcome = decide(group, connection, &condition)
        rest = rest.dropFirst(outcome.handled)
        statistics.withLock {
          if outcome.committed > 0 { $0.commits += 1 }
          $0.committedOperations += outcome.committed
          $0.failedOperations += outcome.handled - outcome.committed
        }
        if outcome.committed > 0 {
          commits.increment()
          groupSize.record(outcome.committed)
        }
        for (index, operation) in group.prefix(outcome.handled).enumerated() {
          if outcome.failures[index] == nil { for action in outcome.actions[index] ?? [] { action() } }
          operation.finish(failure: outcome.failures[index])
        }
        tidy(connection, &condition)
      }
    }
    connection.close()
  }

  /// Gives the log its first room before the first commit: later the lock that this takes could be in somebody's way.
  private func reserveLog(_ connection: SQLiteConnection, _ condition: inout Condition) {
    guard canSkipSync else { return }
    do { try connection.reserveLogIfDue() } catch {
      // Without room commits go on as they would have without this.
      if error.isFailedSync { condition.broken = Self.failure(ofSync: error, connection) }
    }
  }

  /// Does what callers need not wait for.
  private func tidy(_ connection: SQLiteConnection, _ condition: inout Condition) {
    guard condition.broken == nil else { return }
    do {
      try moveLog(connection, condition)
      condition.needsRoom = false
      // The next synced commit finds it done.
      if !condition.syncs, mailbox.count == 0 { try sync(true, connection, &condition) }
    } catch {
      // The log holds what didn't get into the file, unless it is the sync that failed.
      if error.isFailedSync { condition.broken = Self.failure(ofSync: error, connection) }
    }
  }

  private func moveLog(_ connection: SQLiteConnection, _ condition: Condition) throws(StorageError) {
    guard let checkpointer else { return }
    if condition.needsRoom {
      connection.log.isNew = false
      return try checkpointer.makeRoom(connection)
    }
    guard connection.log.isNew else { return }
    connection.log.isNew = false
    try checkpointer.committed(connection, pages: connection.log.pages)
    // Under load the commits lengthen the file themselves, and nobody waits for this.
    if canSkipSync, mailbox.count == 0 { try connection.reserveLogIfDue() }
  }

  private func sync(
    _ syncs: Bool,
    _ connection: SQLiteConnection,
    _ condition: inout Condition
  ) throws(StorageError) {
    try connection.executeScript("PRAGMA synchronous = \(syncs ? "FULL" : "NORMAL")")
    condition.syncs = syncs
  }

  private func decide(
    _ group: ArraySlice<SQLiteOperation>,
    _ connection: SQLiteConnection,
    _ condition: inout Condition
  ) -> Outcome {
    if condition.broken == nil, let failure = checkpointer?.failure {
      condition.broken = Self.failure(ofSync: failure, connection)
    }
    let needsSync = group.contains(where: \.needsSync)
    if condition.broken == nil, canSkipSync, needsSync != condition.syncs {
      // A later synced commit syncs the whole log, with the frames of those that were not.
      do { try sync(needsSync, connection, &condition) } catch {
        condition.broken = Self.failure(ofSync: error, connection)
      }
    }
    if let broken = condition.broken {
      var outcome = Outcome()
      outcome.failAll(group.count, broken)
      return outcome
    }
    let outcome = run(group, connection, &condition.fence)
    condition.broken = outcome.broken
    if outcome.failures.values.contains(where: { ($0 as? StorageError)?.code == .storageFull }) {
      condition.needsRoom = true
    }
    return outcome
  }

  private static func failure(ofSync error: StorageError, _ connection: SQLiteConnection) -> StorageError {
    StorageError(
      .syncFailed,
      "a sync of \(connection.path) failed: writes are refused until the database is reopened",
      underlying: error,
      sqliteCode: error.sqliteCode
    )
  }

  private struct Outcome {
    /// Operations at the front of the group that are decided now.
    var handled = 0
    var committed = 0
    /// Failures by position; an absent one means that the operation's own outcome stands.
    var failures: [Int: any Error] = [:]
    /// What to do for operations by position, if they don't fail after all.
    var actions: [Int: [@Sendable () -> Void]] = [:]
    /// Set when the writer can't be trusted any more.
    var broken: StorageError?

    /// Decides that the first operations failed, each with its own error where it has one.
    mutating func failAll(_ count: Int, _ error: any Error) {
      handled = count
      committed = 0
      for index in 0..<count where failures[index] == nil { failures[index] = error }
    }
  }

  private func run(
    _ group: ArraySlice<SQLiteOperation>,
    _ connection: SQLiteConnection,
    _ fence: inout SchemaFence
  ) -> Outcome {
    var outcome = Outcome()
    do {
      try connection.run("BEGIN IMMEDIATE")
      try fence.check(connection)
    } catch {
      if !connection.isAutocommit { try? connection.run("ROLLBACK") }
      outcome.failAll(group.count, error)
      return outcome
    }
    let isAlone = group.count == 1
    for operation in group {
      outcome.handled += 1
      do {
        guard try run(operation, isAlone: isAlone, connection, &outcome) else { return outcome }
      } catch {
        // A savepoint statement failed: the state of the transaction is unknown, so none of it counts.
        if !connection.isAutocommit { try? connection.run("ROLLBACK") }
        outcome.failAll(outcome.handled, error)
        return outcome
      }
    }
    guard outcome.committed > 0 else {
      try? connection.run("ROLLBACK")
      return outcome
    }
    commit(group.count, connection, &outcome)
    return outcome
  }

  /// Runs the operation that was counted last; `false` when nothing is left of the transaction.
  private func run(
    _ operation: SQLiteOperation,
    isAlone: Bool,
    _ connection: SQLiteConnection,
    _ outcome: inout Outcome
  ) throws -> Bool {
    let index = outcome.handled - 1
    let transaction = SQLiteTransaction(connection)
    defer { transaction.end() }
    if !isAlone { try connection.run("SAVEPOINT operation") }
    let error = operation.run(transaction)
    transaction.end()
    guard let error else {
      if !transaction.commitActions.isEmpty { outcome.actions[index] = transaction.commitActions }
      if !isAlone { try connection.run("RELEASE operation") }
      outcome.committed += 1
      return true
    }
    outcome.failures[index] = error
    // Some failures (disk full, I/O) make SQLite undo the whole transaction: then nothing before this operation is there
    // any more either.
    if connection.isAutocommit {
      let lost = StorageError(
        .rolledBack,
        "another operation of the same commit failed and undid the transaction; retry",
        underlying: error
      )
      outcome.failAll(outcome.handled, (error as? StorageError)?.code == .storageFull ? error : lost)
      return false
    }
    if !isAlone {
      try connection.run("ROLLBACK TO operation")
      try connection.run("RELEASE operation")
    }
    return true
  }

  private func commit(_ count: Int, _ connection: SQLiteConnection, _ outcome: inout Outcome) {
    do { try connection.run("COMMIT") } catch {
      if !connection.isAutocommit { try? connection.run("ROLLBACK") }
      // After a failed sync nobody knows what is on the disk: never acknowledge anything on this connection again.
      if error.isFailedSync { outcome.broken = Self.failure(ofSync: error, connection) }
      outcome.failAll(count, outcome.broken ?? error)
    }
  }
}
