// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Passes hints to everyone who waits; hints that a waiter hasn't taken yet merge.
package final class HintHub<Hint: Sendable>: Sendable {
  private struct State {
    var next = 0
    var receivers: [Int: @Sendable (Hint) -> Void] = [:]
  }

  private let state = Mutex(State())

  /// Creates a hub without waiters.
  package init() {}

  /// A stream of its own for one waiter; it ends with the waiter's task.
  package func stream() -> AsyncStream<Hint> {
    AsyncStream(bufferingPolicy: .bufferingNewest(1)) { continuation in
      let key = subscribe { continuation.yield($0) }
      continuation.onTermination = { [weak self] _ in self?.unsubscribe(key) }
    }
  }

  /// Calls `receiver` with every hint on the thread that gives it, which saves a waiter one change of threads.
  ///
  /// - Parameter receiver: Must not block.
  /// - Returns: What to give to ``unsubscribe(_:)``.
  package func subscribe(_ receiver: @escaping @Sendable (Hint) -> Void) -> Int {
    state.withLock { state in
      state.next += 1
      state.receivers[state.next] = receiver
      return state.next
    }
  }

  /// Ends a subscription.
  package func unsubscribe(_ key: Int) {
    _ = state.withLock { $0.receivers.removeValue(forKey: key) }
  }

  /// How many wait.
  package var receiverCount: Int { state.withLock { $0.receivers.count } }

  /// Gives a hint to every waiter.
  package func send(_ hint: Hint) {
    let receivers = state.withLock { Array($0.receivers.values) }
    for receiver in receivers { receiver(hint) }
  }
}
