// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// State behind a lock whose changes a test can wait for, so that it needs neither sleep nor spin.
package final class WatchedState<Value: Sendable>: Sendable {
  private struct Watcher {
    var condition: @Sendable (Value) -> Bool
    var continuation: CheckedContinuation<Void, Never>
  }

  private struct State {
    var value: Value
    var nextID = 0
    var watchers: [Int: Watcher] = [:]
    var cancelled: Set<Int> = []
  }

  private let state: Mutex<State>

  package init(_ value: Value) { state = Mutex(State(value: value)) }

  /// Reads or changes the state, and wakes those who waited for what it is now.
  package func withLock<Result>(_ body: (inout Value) -> sending Result) -> sending Result {
    let (result, woken) = state.withLock { state in
      let result = body(&state.value)
      let value = state.value
      let ids = state.watchers.filter { $0.value.condition(value) }.keys
      return (result, ids.compactMap { state.watchers.removeValue(forKey: $0) })
    }
    for watcher in woken { watcher.continuation.resume() }
    return result
  }

  /// Waits until a condition holds, or until the task is cancelled.
  package func wait(until condition: @escaping @Sendable (Value) -> Bool) async {
    let id = state.withLock { state in
      state.nextID += 1
      return state.nextID
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isOver = state.withLock { state in
          if state.cancelled.remove(id) != nil || condition(state.value) { return true }
          state.watchers[id] = Watcher(condition: condition, continuation: continuation)
          return false
        }
        if isOver { continuation.resume() }
      }
    } onCancel: {
      let watcher = state.withLock { state in
        let watcher = state.watchers.removeValue(forKey: id)
        if watcher == nil { state.cancelled.insert(id) }
        return watcher
      }
      watcher?.continuation.resume()
    }
    // A cancellation that came after the end left its mark.
    state.withLock { _ = $0.cancelled.remove(id) }
  }
}

/// Does nothing until the task is cancelled.
///
/// - Throws: `CancellationError`.
package func waitForCancellation() async throws {
  await WatchedState(()).wait { _ in false }
  try Task.checkCancellation()
}
