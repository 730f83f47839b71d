// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// The buffer between one producer and one consumer of an answer.
///
/// A full buffer merges texts instead of growing, so a slow reader costs at most the length of the answer, and a
/// producer on a compute thread never waits.
final class GenerationChannel: Sendable {
  private struct State {
    var events: [GenerationEvent] = []
    var head = 0
    /// Whether the summary has been sent; nothing may follow it.
    var isComplete = false
    var end: Result<Void, any Error>?
    var isCancelled = false
    /// Wakes the reader, which then looks again.
    var waiter: CheckedContinuation<Void, Never>?
    var onCancel: (@Sendable () -> Void)?
  }

  private let state = Mutex(State())
  private let bufferLimit: Int

  init(bufferLimit: Int) {
    self.bufferLimit = max(1, bufferLimit)
  }

  /// Appends an event; returns false when nobody will read it.
  func send(_ event: GenerationEvent) -> Bool {
    let (waiter, isRead) = state.withLock { state -> (CheckedContinuation<Void, Never>?, Bool) in
      guard !state.isCancelled, !state.isComplete, state.end == nil else { return (nil, !state.isCancelled) }
      if case .finished = event { state.isComplete = true }
      if state.events.count - state.head >= bufferLimit, case .text(let new) = event,
        case .text(let old)? = state.events.last
      {
        state.events[state.events.count - 1] = .text(old + new)
      } else {
        state.events.append(event)
      }
      return (state.waiter.take(), true)
    }
    waiter?.resume()
    return isRead
  }

  /// Ends the stream after what is buffered.
  func finish(_ result: Result<Void, any Error>) {
    let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
      guard state.end == nil else { return nil }
      state.end = result
      state.onCancel = nil
      return state.waiter.take()
    }
    waiter?.resume()
  }

  /// The consumer has gone: tells the producer once, and wakes a waiting reader.
  func cancel() {
    let (waiter, onCancel) = state.withLock { state in
      let isFirst = !state.isCancelled
      state.isCancelled = true
      state.events = []
      state.head = 0
      defer {
        state.waiter = nil
        state.onCancel = nil
      }
      return (state.waiter, isFirst && state.end == nil ? state.onCancel : nil)
    }
    onCancel?()
    waiter?.resume()
  }

  /// Sets what runs when the consumer leaves; runs it at once if it already has.
  func setOnCancel(_ action: @escaping @Sendable () -> Void) {
    let runNow = state.withLock { state in
      guard !state.isCancelled else { return true }
      if state.end == nil { state.onCancel = action }
      return false
    }
    if runNow { action() }
  }

  var isCancelled: Bool { state.withLock { $0.isCancelled } }

  func next() async throws -> GenerationEvent? {
    try await withTaskCancellationHandler {
      while true {
        switch state.withLock({ nextStep(&$0) }) {
        case .event(let event): return event
        case .end: return nil
        case .failure(let error): throw error
        case .wait: try await wait()
        }
      }
    } onCancel: {
      cancel()
    }
  }

  private enum Step {
    case event(GenerationEvent)
    case end
    case failure(any Error)
    case wait
  }

  private func nextStep(_ state: inout State) -> Step {
    if state.isCancelled { return .failure(CancellationError()) }
    if state.head < state.events.count {
      let event = state.events[state.head]
      state.head += 1
      if state.head == state.events.count {
        state.events.removeAll(keepingCapacity: true)
        state.head = 0
      } else if state.head >= bufferLimit {
        // A reader that is always a little behind never empties the buffer: let go of what it has read.
        state.events.removeFirst(state.head)
        state.head = 0
      }
      return .event(event)
    }
    switch state.end {
    case .success?: return .end
    case .failure(let error)?: return .failure(error)
    case nil: return .wait
    }
  }

  /// Suspends until there may be something to read.
  private func wait() async throws {
    var hasOtherReader = false
    await withCheckedContinuation { continuation in
      let resumesNow = state.withLock { state in
        hasOtherReader = state.waiter != nil
        if hasOtherReader || state.isCancelled || state.head < state.events.count || state.end != nil {
          return true
        }
        state.waiter = continuation
        return false
      }
      if resumesNow { continuation.resume() }
    }
    if hasOtherReader {
      throw RequestError(.invalidOption, "A GenerationStream has one reader; two tasks are reading this one.")
    }
  }
}
