// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
public import TenfoldCore

/// Several replicas of one model as one: requests go to the better of two, failing replicas rest, retries are rationed.
///
/// A replica that fails before its first word is replaced by another as long as the retry budget (10 % of the requests)
/// lasts. When every breaker is open the request fails at once, without asking anybody. A request that is wrong in itself,
/// as its error says (`RequestFault`), is neither retried nor held against the replica.
///
/// ```swift
/// let model = try ReplicatedModel(replicas: [first, second, third])
/// ```
public final class ReplicatedModel: LanguageModel {
  /// How replicas are judged; every field has a default.
  public struct Options: Sendable {
    /// The breaker that each replica starts with.
    public var breaker: CircuitBreakerStateMachine
    /// How many retries there may be.
    public var retryBudget: RetryBudget
    /// How long a replica may be silent, before its first word or between words, until it counts as failed; `nil`, the
    /// default, for as long as it likes, because a full engine may rightly let a request wait for minutes.
    public var silenceLimit: Duration?
    /// The seed of the draws; `nil` draws one.
    public var seed: UInt64?

    /// Creates options.
    public init(
      breaker: CircuitBreakerStateMachine = CircuitBreakerStateMachine(),
      retryBudget: RetryBudget = RetryBudget(),
      silenceLimit: Duration? = nil,
      seed: UInt64? = nil
    ) {
      self.silenceLimit = silenceLimit
      self.breaker = breaker
      self.retryBudget = retryBudget
      self.seed = seed
    }
  }

  private struct State {
    var machine: ReplicaSelectionStateMachine
    var generator: SeededGenerator
  }

  /// What is known of the model: the first replica's profile.
  public let profile: ModelProfile
  private let replicas: [any LanguageModel]
  private let silenceLimit: Duration?
  private let time: TimeSource
  private let state: Mutex<State>

  /// Creates a replicated model.
  ///
  /// - Parameters:
  ///   - replicas: The replicas, which answer alike; their ids may be equal.
  ///   - options: How they are judged.
  ///   - time: Where latencies and breakers read the time.
  /// - Throws: ``RequestError`` with code ``RequestError/Code/invalidOption`` for no replicas.
  public init(
    replicas: [any LanguageModel],
    options: Options = Options(),
    time: TimeSource = .system
  ) throws(RequestError) {
    guard let first = replicas.first else {
      throw RequestError(.invalidOption, "replicas is empty; it must hold at least one model.")
    }
    self.profile = first.profile
    self.replicas = replicas
    self.silenceLimit = options.silenceLimit
    self.time = time
    self.state = Mutex(
      State(
        machine: ReplicaSelectionStateMachine(
          replicaCount: replicas.count,
          breaker: options.breaker,
          retryBudget: options.retryBudget
        ),
        generator: SeededGenerator(seed: options.seed)
      )
    )
  }

  /// How many requests each replica is working on.
  public var inFlight: [Int] { state.withLock { $0.machine.replicas.map(\.inFlight) } }

  /// Answers with one of the replicas.
  ///
  /// - Parameter request: The request.
  /// - Returns: The answer.
  /// - Throws: ``RequestError`` with code ``RequestError/Code/unavailable`` when every replica rests; the last replica's
  ///   error otherwise.
  public func generate(_ request: InferenceRequest) async throws -> GenerationStream {
    state.withLock { $0.machine.recordRequest() }
    return try await start(request, excluding: [], after: nil)
  }

  private func start(
    _ request: InferenceRequest,
    excluding excluded: Set<Int>,
    after error: (any Error)?
  ) async throws -> GenerationStream {
    let now = time.now
    let choice = state.withLock { state in
      state.machine.choose(excluding: excluded, now: now, using: &state.generator)
    }
    guard let choice else {
      throw error
        ?? RequestError(
          .unavailable,
          "Every replica of \(profile.id) has failed lately and rests; retry in a second.",
          retryAfter: .seconds(1)
        )
    }
    let call = ReplicaCall(start: now)
    do {
      let replica = replicas[choice]
      let stream = try await GenerationStream.opening(
        within: GenerationStream.TimeLimits(silence: silenceLimit, subject: "a replica of \(profile.id)"),
        time: time
      ) { try await replica.generate(request) }
      return stream.mapEvents { event in
        call.noteEvent(at: self.time.now)
        return event
      }.onEnd { end in
        self.settle(choice, call, end)
      }.recoveringBeforeFirstEvent { try await self.retry(request, excluded.union([choice]), after: $0) }
    } catch {
      settle(choice, call, error is CancellationError ? .abandoned : .failed(error))
      return try await retry(request, excluded.union([choice]), after: error)
    }
  }

  private func retry(
    _ request: InferenceRequest,
    _ excluded: Set<Int>,
    after error: any Error
  ) async throws -> GenerationStream {
    guard Failover.isReplicasFault(error), !Failover.isExpired(request),
      excluded.count < replicas.count,
      state.withLock({ $0.machine.mayRetry() })
    else { throw error }
    request.context.trace.record(StageRecord(stage: "retry", work: .zero, note: "after: \(error)"))
    return try await start(request, excluding: excluded, after: error)
  }

  private func settle(_ replica: Int, _ call: ReplicaCall, _ end: GenerationEnd) {
    let now = time.now
    state.withLock { state in
      switch end {
      case .finished: state.machine.finished(replica, latency: call.latency(until: now), now: now)
      case .abandoned: state.machine.abandoned(replica, now: now)
      case .failed(let error):
        // A request that is wrong in itself says nothing about the replica.
        if Failover.isReplicasFault(error) {
          state.machine.failed(replica, now: now)
        } else {
          state.machine.abandoned(replica, now: now)
        }
      }
    }
  }
}

/// When a call began and when its first word came.
private final class ReplicaCall: Sendable {
  private let start: ContinuousClock.Instant
  private let first = Mutex<ContinuousClock.Instant?>(nil)

  init(start: ContinuousClock.Instant) { self.start = start }

  func noteEvent(at now: ContinuousClock.Instant) {
    first.withLock { first in if first == nil { first = now } }
  }

  func latency(until now: ContinuousClock.Instant) -> Duration {
    start.duration(to: first.withLock { $0 } ?? now)
  }
}
