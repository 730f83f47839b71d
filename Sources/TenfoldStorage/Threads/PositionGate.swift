// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
package import TenfoldCore

/// A position that only rises, and those who wait for it.
///
/// ```swift
/// let gate = PositionGate()
/// try await gate.wait(for: 7)  // returns once someone has called gate.advance(to: 7), or more
/// ```
package final class PositionGate: Sendable {
  private struct Waiter {
    var position: Int64
    var continuation: CheckedContinuation<Bool, Never>
  }

  private struct State {
    var position: Int64 = 0
    var next = 0
    var waiters: [Int: Waiter] = [:]
    /// Waiters whose task was cancelled before they had begun to wait.
    var cancelled: Set<Int> = []
  }

  private let state = Mutex(State())

  /// Creates a gate at position 0.
  package init() {}

  /// The highest position so far.
  package var position: Int64 { state.withLock { $0.position } }

  /// How many wait.
  package var waiterCount: Int { state.withLock { $0.waiters.count } }

  /// Raises the position; a lower one changes nothing.
  package func advance(to position: Int64) {
    let due = state.withLock { state in
      state.position = max(state.position, position)
      let due = state.waiters.filter { $0.value.position <= state.position }
      for key in due.keys { state.waiters[key] = nil }
      return due.values.map(\.continuation)
    }
    for continuation in due { continuation.resume(returning: true) }
  }

  /// Waits until the position is reached.
  ///
  /// - Parameter position: What to wait for.
  /// - Throws: `CancellationError` when the task is cancelled first.
  package func wait(for position: Int64) async throws {
    let key = state.withLock { state in
      state.next += 1
      return state.next
    }
    let isReached = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let answer = state.withLock { state -> Bool? in
          if state.cancelled.remove(key) != nil { return false }
          if state.position >= position { return true }
          state.waiters[key] = Waiter(position: position, continuation: continuation)
          return nil
        }
        if let answer { continuation.resume(returning: answer) }
      }
    } onCancel: {
      let waiter = state.withLock { state in
        let waiter = state.waiters.removeValue(forKey: key)
        if waiter == nil { state.cancelled.insert(key) }
        return waiter
      }
      waiter?.continuation.resume(returning: false)
    }
    // A cancellation that came after the end left its mark.
    _ = state.withLock { $0.cancelled.remove(key) }
    if !isReached { throw CancellationError() }
  }

  /// Waits until the position is reached or a time has passed.
  ///
  /// - Parameters:
  ///   - position: What to wait for.
  ///   - duration: How long at most.
  ///   - time: What to wait on.
  /// - Returns: Whether the position is reached.
  /// - Throws: `CancellationError` when the task is cancelled first.
  package func wait(for position: Int64, atMost duration: Duration, time: TimeSource) async throws -> Bool {
    if self.position >= position { return true }
    guard duration > .zero else { return false }
    let deadline = time.now + duration
    return try await withThrowingTaskGroup(of: Bool.self) { group in
      group.addTask { [self] in
        try await wait(for: position)
        return true
      }
      group.addTask {
        try await time.sleep(until: deadline)
        return false
      }
      defer { group.cancelAll() }
      return try await group.next() ?? false
    }
  }
}
