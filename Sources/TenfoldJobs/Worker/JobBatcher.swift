// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Gathers jobs of one kind that run at the same time into calls for many.
///
/// There is no timer: the first job to come leads, takes along whoever came with it, and while its call runs the others
/// gather for the next one. So a lone job waits for nobody, and the busier the worker, the larger the calls.
final class JobBatcher<Work: DurableJob>: Sendable {
  typealias Body = @Sendable ([(job: Work, context: JobContext)]) async throws -> [Work.Output]

  private enum Turn: Sendable {
    case lead
    case end(Result<Work.Output, any Error>)
  }

  private struct Waiter: Sendable {
    var job: Work
    var context: JobContext
    var turn: CheckedContinuation<Turn, Never>
  }

  private struct State {
    var isLed = false
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
    let turn = await withCheckedContinuation { turn in
      let leads = state.withLock { state in
        if !state.isLed {
          state.isLed = true
          return true
        }
        state.waiting.append(Waiter(job: job, context: context, turn: turn))
        return false
      }
      if leads { turn.resume(returning: .lead) }
    }
    switch turn {
    case .end(let result): return try result.get()
    case .lead: return try await lead(job, context)
    }
  }

  private func lead(_ job: Work, _ context: JobContext) async throws -> Work.Output {
    // Lets those that were started together with this one come along.
    await Task.yield()
    let others = state.withLock { state in
      let others = Array(state.waiting.prefix(maximum - 1))
      state.waiting.removeFirst(others.count)
      return others
    }
    defer { handOver() }
    do {
      let outputs = try await body([(job, context)] + others.map { ($0.job, $0.context) })
      guard let own = outputs.first, outputs.count == others.count + 1 else {
        throw JobError(
          .invalidOption,
          "the handler for many \(Work.name) gave \(outputs.count) outputs for \(others.count + 1) jobs"
        )
      }
      for (other, output) in zip(others, outputs.dropFirst()) {
        other.turn.resume(returning: .end(.success(output)))
      }
      return own
    } catch {
      // When only the leader was told to stop the others go again, and it costs them no attempt.
      let reason: any Error = Task.isCancelled ? JobDisposition.snooze(for: .zero) : error
      for other in others { other.turn.resume(returning: .end(.failure(reason))) }
      throw error
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
