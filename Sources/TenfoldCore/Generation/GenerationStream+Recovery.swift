// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

extension GenerationStream {
  /// This stream, or the one that `recover` makes if this one fails before its first event.
  ///
  /// Once an event has been delivered a failure is passed on: the reader has already seen half an answer. A reader that
  /// leaves, or whose task is cancelled, is not a failure.
  ///
  /// - Parameter recover: Called at most once, on the reader's task, with the failure; what it throws is thrown to the
  ///   reader.
  /// - Returns: The stream that recovers; dropping it drops whichever stream it reads.
  public func recoveringBeforeFirstEvent(
    _ recover: @escaping @Sendable (any Error) async throws -> GenerationStream
  ) -> Self {
    let source = RecoverableSource(self)
    return Self(pull: { try await source.next(recover) })
  }
}

/// The stream being read, and whether it may still be replaced.
private final class RecoverableSource: Sendable {
  private struct State {
    var stream: GenerationStream
    var mayRecover = true
  }

  private let state: Mutex<State>

  init(_ stream: GenerationStream) { self.state = Mutex(State(stream: stream)) }

  func next(
    _ recover: @Sendable (any Error) async throws -> GenerationStream
  ) async throws -> GenerationEvent? {
    let stream = state.withLock { $0.stream }
    do {
      var iterator = stream.makeAsyncIterator()
      let event = try await iterator.next()
      if event == nil, state.withLock({ $0.mayRecover }) {
        throw RequestError.missingSummary()
      }
      state.withLock { $0.mayRecover = false }
      return event
    } catch {
      let mayRecover = state.withLock { state in
        defer { state.mayRecover = false }
        return state.mayRecover
      }
      guard mayRecover, !(error is CancellationError), !Task.isCancelled else { throw error }
      let other = try await recover(error)
      state.withLock { $0.stream = other }
      var iterator = other.makeAsyncIterator()
      return try await iterator.next()
    }
  }
}
