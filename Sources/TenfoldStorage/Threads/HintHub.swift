// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Passes hints to everyone who waits; hints that a waiter hasn't taken yet merge.
package final class HintHub<Hint: Sendable>: Sendable {
  private struct State {
    var next = 0
    var continuations: [Int: AsyncStream<Hint>.Continuation] = [:]
  }

  private let state = Mutex(State())

  /// Creates a hub without waiters.
  package init() {}

  /// A stream of its own for one waiter; it ends with the waiter's task.
  package func stream() -> AsyncStream<Hint> {
    AsyncStream(bufferingPolicy: .bufferingNewest(1)) { continuation in
      let key = state.withLock { state in
        state.next += 1
        state.continuations[state.next] = continuation
        return state.next
      }
      continuation.onTermination = { [weak self] _ in
        _ = self?.state.withLock { $0.continuations.removeValue(forKey: key) }
      }
    }
  }

  /// Gives a hint to every waiter.
  package func send(_ hint: Hint) {
    let continuations = state.withLock { Array($0.continuations.values) }
    for continuation in continuations { continuation.yield(hint) }
  }
}
