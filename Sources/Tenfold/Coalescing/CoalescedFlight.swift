// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import TenfoldCore

/// One computation and those who read it.
///
/// Events are kept until the flight ends, so that a late follower starts from the beginning; an answer is bounded by
/// its token limit, and so is this log.
final class CoalescedFlight: Sendable {
  private struct State {
    var events: [GenerationEvent] = []
    var end: Result<Void, any Error>?
    var readers: [Int: GenerationStream.Continuation] = [:]
    var nextReader = 0
    /// Readers that have joined but not subscribed yet; they keep the flight alive too.
    var reserved = 1
    /// The task that reads the shared computation, held by the stream that it fills.
    var pump: GenerationStream?
    var isClosed = false

    /// Ends the flight; who has to hear of it, and what to let go of after the lock is free, or `nil` if it had ended.
    mutating func close(_ result: Result<Void, any Error>) -> Closing? {
      guard !isClosed else { return nil }
      defer {
        isClosed = true
        end = result
        readers = [:]
        pump = nil
      }
      return Closing(result: result, readers: Array(readers.values), pump: pump)
    }
  }

  private struct Closing: Sendable {
    let result: Result<Void, any Error>
    let readers: [GenerationStream.Continuation]
    /// Dropping it cancels the computation if it is still under way.
    let pump: GenerationStream?
  }

  let leader: RequestID
  /// When the leader's context ends the computation, or `nil`.
  let deadline: ContinuousClock.Instant?
  private let state = Mutex(State())
  private let onClose: @Sendable (CoalescedFlight) -> Void

  init(
    leader: RequestID,
    deadline: ContinuousClock.Instant?,
    onClose: @escaping @Sendable (CoalescedFlight) -> Void
  ) {
    self.leader = leader
    self.deadline = deadline
    self.onClose = onClose
  }

  /// Whether the computation goes on as long as a reader with this deadline waits.
  func lasts(until reader: ContinuousClock.Instant?) -> Bool {
    guard let deadline else { return true }
    return reader.map { $0 <= deadline } ?? false
  }

  /// Starts handing the events of `upstream` to the readers.
  func start(_ upstream: GenerationStream) {
    let pump = GenerationStream { [weak self] _ in
      do {
        for try await event in upstream { self?.broadcast(event) }
        self?.close(.success(()))
      } catch {
        self?.close(.failure(error))
      }
    }
    state.withLock { $0.pump = pump }
  }

  /// Announces a reader; false when the flight has ended.
  func reserve() -> Bool {
    state.withLock { state in
      guard !state.isClosed else { return false }
      state.reserved += 1
      return true
    }
  }

  /// The events from the first one on; uses up a reservation.
  func subscribe() -> GenerationStream {
    let (stream, continuation) = GenerationStream.makeStream()
    let reader: Int? = state.withLock { state in
      state.reserved -= 1
      for event in state.events { continuation.yield(event) }
      switch state.end {
      case .success?: continuation.finish()
      case .failure(let error)?: continuation.finish(throwing: error)
      case nil:
        state.readers[state.nextReader] = continuation
        state.nextReader += 1
        return state.nextReader - 1
      }
      return nil
    }
    if let reader { continuation.onCancel { [weak self] in self?.leave(reader) } }
    return stream
  }

  private func broadcast(_ event: GenerationEvent) {
    let readers = state.withLock { state in
      state.events.append(event)
      return Array(state.readers.values)
    }
    for reader in readers { reader.yield(event) }
  }

  private func leave(_ reader: Int) {
    let closing: Closing? = state.withLock { state in
      state.readers[reader] = nil
      guard state.readers.isEmpty, state.reserved == 0 else { return nil }
      // In the same moment, so that nobody joins a flight whose computation is about to be cancelled.
      return state.close(.failure(CancellationError()))
    }
    finish(closing)
  }

  private func close(_ result: Result<Void, any Error>) { finish(state.withLock { $0.close(result) }) }

  private func finish(_ closing: Closing?) {
    guard let closing else { return }
    onClose(self)
    for reader in closing.readers {
      switch closing.result {
      case .success: reader.finish()
      case .failure(let error): reader.finish(throwing: error)
      }
    }
  }
}
