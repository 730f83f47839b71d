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
    var waiter: CheckedContinuation<GenerationEvent?, any Error>?
    var onCancel: (@Sendable () -> Void)?
  }

  private let state = Mutex(State())
  private let bufferLimit: Int

  init(bufferLimit: Int) {
    self.bufferLimit = max(1, bufferLimit)
  }

  /// Appends an event; returns false when nobody will read it.
  func send(_ event: GenerationEvent) -> Bool {
    let waiter: CheckedContinuation<GenerationEvent?, any Error>? = state.withLock { state in
      guard !state.isCancelled, !state.isComplete, state.end == nil else { return nil }
      if case .finished = event { state.isComplete = true }
      if let waiter = state.waiter {
        state.waiter = nil
        return waiter
      }
      if state.events.count - state.head >= bufferLimit, case .text(let new) = event,
        case .text(let old)? = state.events.last
      {
        state.events[state.events.count - 1] = .text(old + new)
      } else {
        state.events.append(event)
      }
      return nil
    }
    waiter?.resume(returning: event)
    return state.withLock { !$0.isCancelled }
  }

  /// Ends the stream after what is buffered.
  func finish(_ result: Result<Void, any Error>) {
    let waiter: CheckedContinuation<GenerationEvent?, any Error>? = state.withLock { state in
      guard state.end == nil else { return nil }
      state.end = result
      state.onCancel = nil
      defer { state.waiter = nil }
      return state.waiter
    }
    switch result {
    case .success: waiter?.resume(returning: nil)
    case .failure(let error): waiter?.resume(throwing: error)
    }
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
    waiter?.resume(throwing: CancellationError())
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

  private enum Step {
    case event(GenerationEvent)
    case end
    case failure(any Error)
    case wait
  }

  func next() async throws -> GenerationEvent? {
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation {
        (continuation: CheckedContinuation<GenerationEvent?, any Error>) in
        let step: Step = state.withLock { state in
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
          case nil: break
          }
          if state.waiter != nil {
            return .failure(
              RequestError(
                .invalidOption,
                "A GenerationStream has one reader; two tasks are reading this one."
              )
            )
          }
          state.waiter = continuation
          return .wait
        }
        switch step {
        case .event(let event): continuation.resume(returning: event)
        case .end: continuation.resume(returning: nil)
        case .failure(let error): continuation.resume(throwing: error)
        case .wait: break
        }
      }
    } onCancel: {
      cancel()
    }
  }
}
