// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// The stages that a request went through, each writing its own line.
///
/// The trace is shared by every copy of a request's context; writing is safe from any thread.
public final class RequestTrace: Sendable {
  /// Where the trace reads the time.
  public let time: TimeSource
  /// When the request arrived.
  public let start: ContinuousClock.Instant

  private struct State {
    var stages: [StageRecord] = []
    var calls: [ModelCall] = []
  }

  private let state = Mutex(State())

  /// Starts a trace now.
  public init(time: TimeSource = .system) {
    self.time = time
    self.start = time.now
  }

  /// The lines written so far, in the order in which their stages ended.
  public var stages: [StageRecord] { state.withLock { $0.stages } }

  /// The model calls made so far.
  public var modelCalls: [ModelCall] { state.withLock { $0.calls } }

  /// The time since the request arrived.
  public var elapsed: Duration { start.duration(to: time.now) }

  /// Writes a line.
  public func record(_ stage: StageRecord) {
    state.withLock { $0.stages.append(stage) }
  }

  /// Notes a model call.
  public func record(_ call: ModelCall) {
    state.withLock { $0.calls.append(call) }
  }

  /// Runs `body` as a stage and writes its line, also when it throws.
  ///
  /// - Parameters:
  ///   - stage: The stage's name.
  ///   - body: The work; it may fill in the record's note, CPU time, bytes and cost.
  /// - Returns: What `body` returns.
  /// - Throws: What `body` throws.
  public func measure<Result, Failure: Error>(
    _ stage: String,
    _ body: (inout StageRecord) async throws(Failure) -> Result
  ) async throws(Failure) -> Result {
    let begin = time.now
    var line = StageRecord(stage: stage, work: .zero)
    do {
      let result = try await body(&line)
      line.work = begin.duration(to: time.now)
      record(line)
      return result
    } catch {
      line.work = begin.duration(to: time.now)
      if line.note.isEmpty { line.note = "failed" }
      record(line)
      throw error
    }
  }
}
