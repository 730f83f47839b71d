// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Synchronization

/// Moves the log into the file on a thread and a connection of its own, so that whoever writes meanwhile need not wait.
///
/// It never waits for a lock. Without a request it sleeps.
final class SQLiteCheckpointer: Sendable {
  private struct State {
    var moves: LogMoves
    var failure: StorageError?
    var isAwaited = false
  }

  private let requests = ThreadMailbox<Void>()
  private let state: Mutex<State>
  private let ended = DispatchSemaphore(value: 0)

  init(first: Int = SQLiteConnection.pagesBeforeCheckpoint, most: Int = 16_000) {
    state = Mutex(State(moves: LogMoves(first: first, most: most)))
  }

  /// The sync of the file that failed, if one did.
  var failure: StorageError? { state.withLock { $0.failure } }

  /// Does after a commit of the writer what is to be done, on its thread and `connection`.
  func committed(_ connection: SQLiteConnection, pages: Int) throws(StorageError) {
    switch state.withLock({ $0.moves.committed(pages: pages) }) {
    case .nothing: return
    case .begin: if !requests.send(()) { try finish(connection) }
    case .finish: try finish(connection)
    case .waitAndFinish: try makeRoom(connection)
    }
  }

  /// Moves the whole log on the writer's thread, after the other one has ended what it may be at.
  func makeRoom(_ connection: SQLiteConnection) throws(StorageError) {
    let waits = state.withLock { state in
      state.isAwaited = state.moves.isMoving
      return state.isAwaited
    }
    if waits { ended.wait() }
    try finish(connection)
  }

  private func finish(_ connection: SQLiteConnection) throws(StorageError) {
    state.withLock { $0.moves.finished() }
    try connection.checkpoint()
  }

  /// Ends ``serve(_:)``.
  func close() { requests.close() }

  /// Moves the log whenever it is asked to; owns `connection` and closes it at the end.
  func serve(_ connection: SQLiteConnection) {
    while requests.takeOne() != nil {
      while pass(connection) {}
    }
    connection.close()
  }

  private func pass(_ connection: SQLiteConnection) -> Bool {
    var (moved, pages) = (0, 1)
    var failure: StorageError?
    do throws(StorageError) {
      if let done = try connection.checkpoint() { (moved, pages) = done }
    } catch  where error.isFailedSync {
      failure = error
    } catch {
      // The log holds what didn't get into the file.
    }
    let (goesOn, isAwaited) = state.withLock { state in
      state.failure = state.failure ?? failure
      let goesOn = state.moves.passed(moved: moved, of: pages)
      defer { if !goesOn { state.isAwaited = false } }
      return (goesOn, state.isAwaited)
    }
    if !goesOn, isAwaited { ended.signal() }
    return goesOn
  }
}
