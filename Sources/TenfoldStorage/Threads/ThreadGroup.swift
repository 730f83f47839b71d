// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Threads that are waited for together when their owner closes.
final class ThreadGroup: Sendable {
  private struct State {
    var running = 0
    var waiters: [CheckedContinuation<Void, Never>] = []
  }

  private let state = Mutex(State())

  func start(name: String, _ body: @escaping @Sendable () -> Void) throws(StorageError) {
    state.withLock { $0.running += 1 }
    do throws(StorageError) {
      try DedicatedThread.start(name: name) { [self] in
        body()
        leave()
      }
    } catch {
      leave()
      throw error
    }
  }

  /// Returns once every thread has ended.
  func wait() async {
    await withCheckedContinuation { continuation in
      let isIdle = state.withLock { state in
        if state.running > 0 { state.waiters.append(continuation) }
        return state.running == 0
      }
      if isIdle { continuation.resume() }
    }
  }

  private func leave() {
    let waiters = state.withLock { state -> [CheckedContinuation<Void, Never>] in
      state.running -= 1
      guard state.running == 0 else { return [] }
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in waiters { waiter.resume() }
  }
}
