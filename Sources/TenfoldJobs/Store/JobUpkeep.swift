// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Says when to look for what outlived its jobs: lanes of tenants that are gone, unique keys and rates whose time is over.
///
/// Looking costs as much as there are jobs, so it is due once as much has come to be as there were jobs at the last look.
/// Then the cost for each is constant, and what is kept in vain stays about as much as what is in use.
final class JobUpkeep: Sendable {
  /// Fewer than this aren't worth a look.
  static let minimum = 4096

  private struct State {
    var made: Int
    var threshold = JobUpkeep.minimum
  }

  private let state: Mutex<State>

  init(made: Int = 0) { state = Mutex(State(made: made)) }

  /// Something came to be that may outlive its job.
  func note() { state.withLock { $0.made += 1 } }

  /// Whether to look now; then the count begins again.
  ///
  /// `jobs` counts the jobs, asked only when it may be due.
  func begins(jobs: () throws -> Int) rethrows -> Bool {
    guard state.withLock({ $0.made >= $0.threshold }) else { return false }
    let count = try jobs()
    return state.withLock { state in
      state.threshold = max(Self.minimum, count)
      guard state.made >= state.threshold else { return false }
      state.made = 0
      return true
    }
  }
}
