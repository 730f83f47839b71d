// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Threads that are waited for together when their owner closes.
final class ThreadGroup: Sendable {
  private struct State {
    var running = 0
    var waiters: [Handoff<Void>] = []
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
    // Nobody hands an error over.
    try? await Handoff<Void>.receive { handoff in
      let isIdle = state.withLock { state in
        if state.running > 0 { state.waiters.append(handoff) }
        return state.running == 0
      }
      if isIdle { handoff.resume(returning: ()) }
    }
  }

  private func leave() {
    let waiters = state.withLock { state -> [Handoff<Void>] in
      state.running -= 1
      guard state.running == 0 else { return [] }
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in waiters { waiter.resume(returning: ()) }
  }
}
