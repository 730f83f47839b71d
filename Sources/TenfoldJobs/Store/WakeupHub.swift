// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Passes hints from a store to everyone who waits; hints that nobody has taken yet merge.
final class WakeupHub: Sendable {
  private struct State {
    var next = 0
    var continuations: [Int: AsyncStream<JobWakeup>.Continuation] = [:]
  }

  private let state = Mutex(State())

  func stream() -> AsyncStream<JobWakeup> {
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

  func send(_ wakeup: JobWakeup) {
    let continuations = state.withLock { Array($0.continuations.values) }
    for continuation in continuations { continuation.yield(wakeup) }
  }
}
