// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import TenfoldStorage

/// What a worker makes of a store that fails: which failures last, and how long to wait after the others.
final class StoreFailures: Sendable {
  private struct State {
    /// Failures in a row.
    var count = 0
    /// Why the store is of no use any more.
    var final: (any Error)?
  }

  private let state = Mutex(State())

  /// The failure after which the store must be opened anew, if there was one.
  var final: (any Error)? { state.withLock { $0.final } }

  /// Whether a store that failed in this way can't be used again before it is opened anew.
  static func isFinal(_ error: any Error) -> Bool {
    guard let error = error as? StorageError else { return false }
    // The latter two: a newer build has migrated the store meanwhile.
    return [.closed, .syncFailed, .futureFormat, .migrationChanged].contains(error.code)
  }

  /// How long to wait after a number of failures in a row.
  static func pause(after failures: Int) -> Duration { .milliseconds(50 << min(failures, 7)) }

  /// Remembers a failure that lasts; whether it is the first such one.
  func end(with error: any Error) -> Bool {
    guard Self.isFinal(error) else { return false }
    return state.withLock { state in
      defer { state.final = state.final ?? error }
      return state.final == nil
    }
  }

  /// One more failure in a row; how long to wait.
  func another() -> Duration {
    let count = state.withLock { state in
      state.count += 1
      return state.count
    }
    return Self.pause(after: count)
  }

  /// The store answered.
  func over() { state.withLock { $0.count = 0 } }
}
