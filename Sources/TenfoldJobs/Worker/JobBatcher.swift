// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Gathers jobs of one kind that run at the same time into calls for many.
///
/// There is no timer: the first job to come leads, takes along whoever came with it, and while its call runs the others
/// gather for the next one. So a lone job waits for nobody, and the busier the worker, the larger the calls.
///
/// A job that is told to stop while it waits leaves at once. A job that failed before, or took its worker down, gets a call of
/// its own: were it to blame, it would fail the others with it, time and again, until all of them are dead letters.
final class JobBatcher<Work: DurableJob>: Sendable {
  typealias Body =
    @Sendable ([(job: Work, context: JobContext)]) async throws -> [Result<Work.Output, any Error>]

  private enum Turn: Sendable {
    case lead
    case end(Result<Work.Output, any Error>)
  }

  private struct Waiter: Sendable {
    var number: Int
    var job: Work
    var context: JobContext
    var turn: CheckedContinuation<Turn, Never>
    var isSuspect: Bool { JobBatcher.isSuspect(context) }
  }

  private struct State {
    var isLed = false
    var next = 0
    var waiting: [Waiter] = []
  }

  private let maximum: Int
  private let body: Body
  private let state = Mutex(State())

  init(maximum: Int, body: @escaping Body) {
    self.maximum = max(1, maximum)
    self.body = body
  }

  func run(_ job: Work, _ context: JobContext) async throws -> Work.Output {
    let number = state.withLock { state in
      state.next += 1
      return state.next
    }
    let turn = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let turn = state.withLock { state -> Turn? in
          // Where the handler below has been called it found nobody.
          if Task.isCancelled { return .end(.failure(CancellationError())) }
          if !state.isLed {
            state.isLed = true
            return .lead
          }
          state.waiting.append(Waiter(number: number, job: job, context: context, turn: continuation))
          return nil
        }
        if let turn { continuation.resume(returning: turn) }
      }
    } onCancel: {
      leave(number)
    }
    switch turn {
    case .end(let result): return try result.get()
    case .lead: return try await lead(job, context)
    }
  }

  /// Ends the waiting of a job that was told to stop: nobody need make a call for it.
  private func leave(_ number: Int) {
    let waiter = state.withLock { state in
      let index = state.waiting.firstIndex { $0.number == number }
      return index.map { state.waiting.remove(at: $0) }
    }
    waiter?.turn.resume(returning: .end(.failure(CancellationError())))
  }

  /// Whether an earlier run of the job failed, or its lease was lost.
  private static func isSuspect(_ context: JobContext) -> Bool {
    context.attempt > 1 || context.lease.crashCount > 0
  }

  private func lead(_ job: Work, _ context: JobContext) async throws -> Work.Output {
    // Lets those that were started together with this one come along.
    await Task.yield()
    defer { handOver() }
    // It may have been told to stop while it waited.
    try Task.checkCancellation()
    let others = Self.isSuspect(context) ? [] : company()
    let own: Result<Work.Output, any Error>
    do {
      let results = try await body([(job, context)] + others.map { ($0.job, $0.context) })
      guard let first = results.first, results.count == others.count + 1 else {
        throw JobError(
          .invalidOption,
          "the handler for many \(Work.name) gave \(results.count) results for \(others.count + 1) jobs: "
            + "it must give one for each, in order"
        )
      }
      for (other, result) in zip(others, results.dropFirst()) {
        other.turn.resume(returning: .end(Self.excuses(context) ? Self.excused(result) : result))
      }
      own = first
    } catch {
      let reason: any Error = Self.excuses(context) ? JobDisposition.snooze(for: .zero) : error
      for other in others { other.turn.resume(returning: .end(.failure(reason))) }
      throw error
    }
    return try own.get()
  }

  /// Whether the others go again at no cost in attempts: when only the leader was told to stop.
  ///
  /// A call that took longer than a run may isn't excused: it would be made again without end.
  private static func excuses(_ leader: JobContext) -> Bool {
    Task.isCancelled && leader.running.stopReason(leader.reference) != .timedOut
  }

  /// When only the leader was told to stop, what the others failed with may be that.
  private static func excused(_ result: Result<Work.Output, any Error>) -> Result<Work.Output, any Error> {
    result.mapError { $0 is JobDisposition ? $0 : JobDisposition.snooze(for: .zero) }
  }

  /// Takes those that wait and may share a call; the others keep their places.
  private func company() -> [Waiter] {
    state.withLock { state in
      let company = state.waiting.filter { !$0.isSuspect }.prefix(maximum - 1)
      var left = company.count
      state.waiting.removeAll { waiter in
        guard left > 0, !waiter.isSuspect else { return false }
        left -= 1
        return true
      }
      return Array(company)
    }
  }

  private func handOver() {
    let next = state.withLock { state -> Waiter? in
      guard !state.waiting.isEmpty else {
        state.isLed = false
        return nil
      }
      return state.waiting.removeFirst()
    }
    next?.turn.resume(returning: .lead)
  }
}
