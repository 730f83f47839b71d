// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// A clock that a test turns by hand.
///
/// ```swift
/// let time = ManualTime()
/// let cache = InMemoryCacheStore(time: time.source)
/// time.advance(by: .seconds(60))
/// ```
public final class ManualTime: Sendable {
  private struct Sleeper {
    var deadline: ContinuousClock.Instant
    var continuation: CheckedContinuation<Void, any Error>
  }

  private struct State {
    var now: ContinuousClock.Instant
    var nextID = 0
    var sleepers: [Int: Sleeper] = [:]
    var cancelled: Set<Int> = []
  }

  private let state: WatchedState<State>

  /// Creates a clock that stands still.
  public init() { state = WatchedState(State(now: .now)) }

  /// The instant to which the clock has been turned.
  public var now: ContinuousClock.Instant { state.withLock { $0.now } }

  /// How many tasks sleep on this clock.
  public var sleeperCount: Int { state.withLock { $0.sleepers.count } }

  /// Waits until so many tasks sleep on this clock, or more; cancelling the waiting task ends the wait.
  ///
  /// - Parameter count: How many.
  public func waitForSleepers(_ count: Int = 1) async { await state.wait { $0.sleepers.count >= count } }

  /// Turns the clock and wakes those whose time has come.
  public func advance(by duration: Duration) {
    let due = state.withLock { state in
      state.now = state.now.advanced(by: duration)
      let now = state.now
      let due = state.sleepers.filter { $0.value.deadline <= now }
      for id in due.keys { state.sleepers[id] = nil }
      return due.sorted { ($0.value.deadline, $0.key) < ($1.value.deadline, $1.key) }.map(\.value)
    }
    for sleeper in due { sleeper.continuation.resume() }
  }

  /// The clock as a source to inject.
  public var source: TimeSource {
    TimeSource(now: { self.now }, sleep: { try await self.sleep(until: $0) })
  }

  private func sleep(until deadline: ContinuousClock.Instant) async throws {
    let id = state.withLock { state in
      state.nextID += 1
      return state.nextID
    }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
        let result: Result<Void, any Error>? = state.withLock { state in
          if state.cancelled.remove(id) != nil { return .failure(CancellationError()) }
          if deadline <= state.now { return .success(()) }
          state.sleepers[id] = Sleeper(deadline: deadline, continuation: continuation)
          return nil
        }
        if let result { continuation.resume(with: result) }
      }
    } onCancel: {
      let sleeper = state.withLock { state in
        let sleeper = state.sleepers.removeValue(forKey: id)
        if sleeper == nil { state.cancelled.insert(id) }
        return sleeper
      }
      sleeper?.continuation.resume(throwing: CancellationError())
    }
  }
}
