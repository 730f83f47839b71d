// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import TenfoldCore

/// One request at two replicas: the one whose first word comes first is read, the other is stopped.
final class HedgedRace: Sendable {
  /// A replica's answer, and what is done when another's came first.
  struct Contender: Sendable {
    let stream: GenerationStream
    let overtaken: @Sendable () -> Void
  }

  private enum State {
    case waiting(Contender)
    case reading(GenerationStream)
  }

  private enum Outcome: Sendable {
    case event(Int, GenerationEvent)
    case failure(any Error)
    case isTime
    case stopped
  }

  private let state: Mutex<State>
  private let start: ContinuousClock.Instant
  private let time: TimeSource
  private let askAnother: @Sendable () -> Contender?

  /// Creates a race that begins when the stream is read.
  ///
  /// - Parameters:
  ///   - first: Who was asked.
  ///   - start: When another is asked.
  ///   - time: Where the time is read.
  ///   - askAnother: Asks another replica, or gives `nil`; called at most once.
  init(
    _ first: Contender,
    askingAnotherAt start: ContinuousClock.Instant,
    time: TimeSource,
    _ askAnother: @escaping @Sendable () -> Contender?
  ) {
    state = Mutex(.waiting(first))
    self.start = start
    self.time = time
    self.askAnother = askAnother
  }

  /// The next event of whoever spoke first.
  func next() async throws -> GenerationEvent? {
    switch state.withLock(\.self) {
    case .waiting(let first): return try await firstEvent(first)
    case .reading(let stream):
      var iterator = stream.makeAsyncIterator()
      return try await iterator.next()
    }
  }

  private func firstEvent(_ first: Contender) async throws -> GenerationEvent {
    var contenders = [first]
    return try await withThrowingTaskGroup(of: Outcome.self) { group in
      defer { group.cancelAll() }
      group.addTask { await Self.firstEvent(of: first.stream, 0) }
      group.addTask { [time, start] in (try? await time.sleep(until: start)) != nil ? .isTime : .stopped }
      var failures = 0
      while let outcome = try await group.next() {
        switch outcome {
        case .event(let winner, let event):
          for (index, contender) in contenders.enumerated() where index != winner { contender.overtaken() }
          // The loser's stream goes with `contenders`, and with it the work behind it.
          state.withLock { $0 = .reading(contenders[winner].stream) }
          return event
        case .failure(let error):
          failures += 1
          // The other one would fail for the same reason, or there is no other.
          if failures == contenders.count || !Failover.isReplicasFault(error) { throw error }
        case .isTime:
          guard let second = askAnother() else { continue }
          contenders.append(second)
          group.addTask { await Self.firstEvent(of: second.stream, 1) }
        case .stopped: continue
        }
      }
      throw CancellationError()
    }
  }

  private static func firstEvent(of stream: GenerationStream, _ index: Int) async -> Outcome {
    do {
      var iterator = stream.makeAsyncIterator()
      guard let event = try await iterator.next() else {
        return .failure(RequestError.missingSummary())
      }
      return .event(index, event)
    } catch {
      return .failure(error)
    }
  }
}
