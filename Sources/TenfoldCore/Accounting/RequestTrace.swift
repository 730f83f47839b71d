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

  /// Something that was written into a trace.
  package enum Entry: Sendable {
    /// A stage has ended.
    case stage(StageRecord)
    /// A model was called.
    case call(ModelCall)
  }

  private struct Observer: Sendable {
    /// Kept, so that no other object takes its name.
    var owner: any AnyObject & Sendable
    var body: @Sendable (Entry) -> Void
  }

  private struct State {
    var stages: [StageRecord] = []
    var calls: [ModelCall] = []
    var observers: [ObjectIdentifier: Observer] = [:]
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
    let observers = state.withLock { state in
      state.stages.append(stage)
      return Array(state.observers.values)
    }
    for observer in observers { observer.body(.stage(stage)) }
  }

  /// Notes a model call.
  public func record(_ call: ModelCall) {
    let observers = state.withLock { state in
      state.calls.append(call)
      return Array(state.observers.values)
    }
    for observer in observers { observer.body(.call(call)) }
  }

  /// Hands everything that is written to `body`: what is there now, and what comes, also after the request has ended.
  ///
  /// A model books what a reader that left early has cost when its own work ends, which is later than the end of the
  /// reader's stream; so costs are booked here and not there. An observer that comes again, because a request is sent
  /// twice, takes its own earlier place and gets only what comes.
  ///
  /// - Parameters:
  ///   - owner: Who observes.
  ///   - body: Called once for each entry, on the thread that writes it; it must not block, nor hold on to the trace.
  package func observe(by owner: any AnyObject & Sendable, _ body: @escaping @Sendable (Entry) -> Void) {
    let earlier: [Entry] = state.withLock { state in
      let observer = Observer(owner: owner, body: body)
      guard state.observers.updateValue(observer, forKey: ObjectIdentifier(owner)) == nil else { return [] }
      return state.stages.map { .stage($0) } + state.calls.map { .call($0) }
    }
    for entry in earlier { body(entry) }
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
