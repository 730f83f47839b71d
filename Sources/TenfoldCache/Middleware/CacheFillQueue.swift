// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import TenfoldCore

/// The answers that wait to be stored, bounded; pure.
struct CacheFillBuffer: Sendable {
  struct Fill: Sendable {
    var answer: CachedAnswer
    var key: CacheKey
    var timeToLive: Duration?
    /// The last invalidation when the request came.
    var generation: UInt64
  }

  let capacity: Int
  private(set) var fills: [Fill] = []
  private(set) var dropped = 0

  /// Takes a fill in; a full buffer drops the new one, because the old ones are already counted on.
  mutating func add(_ fill: Fill) -> Bool {
    guard fills.count < capacity else {
      dropped += 1
      return false
    }
    fills.append(fill)
    return true
  }

  mutating func takeAll() -> [Fill] {
    defer { fills = [] }
    return fills
  }

  /// Lets go of some fills; returns how many those were.
  mutating func discard(where isOutdated: (Fill) -> Bool) -> Int {
    let before = fills.count
    fills.removeAll(where: isOutdated)
    return before - fills.count
  }
}

/// Carries fills from the readers' tasks to the one that stores them.
final class CacheFillQueue: Sendable {
  private struct State {
    var buffer: CacheFillBuffer
    var waiter: CheckedContinuation<Void, Never>?
    var isStopping = false
    var isRunning = false
  }

  private let state: Mutex<State>

  init(capacity: Int) { state = Mutex(State(buffer: CacheFillBuffer(capacity: max(1, capacity)))) }

  var dropped: Int { state.withLock { $0.buffer.dropped } }
  var count: Int { state.withLock { $0.buffer.fills.count } }

  func add(_ fill: CacheFillBuffer.Fill) {
    let waiter = state.withLock { state in
      guard state.buffer.add(fill) else { return nil as CheckedContinuation<Void, Never>? }
      defer { state.waiter = nil }
      return state.waiter
    }
    waiter?.resume()
  }

  func takeAll() -> [CacheFillBuffer.Fill] { state.withLock { $0.buffer.takeAll() } }

  func discard(where isOutdated: (CacheFillBuffer.Fill) -> Bool) -> Int {
    state.withLock { $0.buffer.discard(where: isOutdated) }
  }

  /// Waits until there is something to store; returns false when the task is cancelled.
  ///
  /// Only who has begun may wait.
  func waitForFill() async -> Bool {
    await withTaskCancellationHandler {
      await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
        let resumesNow = state.withLock { state in
          if state.isStopping || !state.buffer.fills.isEmpty { return true }
          state.waiter = continuation
          return false
        }
        if resumesNow { continuation.resume() }
      }
      return !Task.isCancelled
    } onCancel: {
      let waiter = state.withLock { state in
        state.isStopping = true
        defer { state.waiter = nil }
        return state.waiter
      }
      waiter?.resume()
    }
  }

  /// Makes the caller the one that stores; false when there is one already.
  func begin() -> Bool {
    state.withLock { state in
      guard !state.isRunning else { return false }
      state.isRunning = true
      state.isStopping = false
      return true
    }
  }

  func end() { state.withLock { $0.isRunning = false } }
}
