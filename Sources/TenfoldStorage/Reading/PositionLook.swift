// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import TenfoldCore

/// Asks one place how far it has come, and holds nobody up for longer than they wait.
///
/// A place may be deaf to cancellation: a ``SQLiteDatabase`` whose readers are all busy answers when one is free, and a
/// task group would wait for that. So the question is put in a task of its own, the only unstructured one here. There is
/// one question at a time: whoever comes meanwhile shares its answer, and fails at once when it is overdue. A question
/// that nobody waits for any more is cancelled.
final class PositionLook<Source: Sendable>: Sendable {
  typealias Instant = ContinuousClock.Instant

  struct Answer: Sendable {
    var position: Int64
    /// When the question was put: the place has been at the position, or further, since some time after this.
    var asked: Instant
  }

  private struct Question {
    var asked: Instant
    var task: Task<Void, Never>
    var isCancelled = false
  }

  private typealias Replies = AsyncStream<Result<Answer, any Error>>

  private struct State {
    var question: Question?
    var next = 0
    var waiting: [Int: Replies.Continuation] = [:]
  }

  let place: ReadReplica<Source>
  private let timeout: Duration?
  private let time: TimeSource
  private let state = Mutex(State())

  /// Creates a look that gives up on an answer after `timeout`; `nil` for never.
  init(_ place: ReadReplica<Source>, timeout: Duration?, time: TimeSource) {
    self.place = place
    self.timeout = timeout
    self.time = time
  }

  /// Whether a question has no answer yet.
  var isOpen: Bool { state.withLock { $0.question != nil } }

  /// How far the place has come, if it says so in time.
  func answer() async throws -> Answer {
    let now = time.now
    guard let timeout else { return Answer(position: try await place.position(), asked: now) }
    let (replies, reply) = Replies.makeStream(bufferingPolicy: .bufferingNewest(1))
    let key = state.withLock { state -> Int? in
      if let question = state.question, question.asked + timeout <= now { return nil }
      state.next += 1
      state.waiting[state.next] = reply
      if state.question == nil { state.question = ask() }
      return state.next
    }
    let late = StorageError(.busy, "\(place.name) didn't say within \(timeout) how far it has come")
    guard let key else { throw late }
    defer { leave(key) }
    return try await withThrowingTaskGroup(of: Answer?.self) { [time] group in
      group.addTask {
        for await reply in replies { return try reply.get() }
        throw CancellationError()
      }
      group.addTask {
        try await time.sleep(until: now + timeout)
        return nil
      }
      defer { group.cancelAll() }
      guard let answer = try await group.next() ?? nil else { throw late }
      return answer
    }
  }

  /// Puts the question; its task can't end before the lock, under which this is called, is free.
  private func ask() -> Question {
    Question(
      asked: time.now,
      task: Task { [self] in
        do { answered(.success(try await place.position())) } catch { answered(.failure(error)) }
      }
    )
  }

  private func answered(_ result: Result<Int64, any Error>) {
    let (asked, waiting) = state.withLock { state -> (Instant, [Replies.Continuation]) in
      guard let question = state.question else { return (time.now, []) }
      if case .failure = result, question.isCancelled, !state.waiting.isEmpty {
        // It failed because others gave it up; these came later.
        state.question = ask()
        return (question.asked, [])
      }
      defer {
        state.question = nil
        state.waiting = [:]
      }
      return (question.asked, Array(state.waiting.values))
    }
    for one in waiting {
      one.yield(result.map { Answer(position: $0, asked: asked) })
      one.finish()
    }
  }

  /// Nobody waits under this key any more.
  private func leave(_ key: Int) {
    let abandoned = state.withLock { state -> Task<Void, Never>? in
      state.waiting[key] = nil
      guard state.waiting.isEmpty, state.question?.isCancelled == false else { return nil }
      state.question?.isCancelled = true
      return state.question?.task
    }
    abandoned?.cancel()
  }
}
