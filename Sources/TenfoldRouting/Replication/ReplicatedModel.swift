// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
public import TenfoldCore

/// Several replicas of one model as one: requests go to the better of two, failing replicas rest, retries are rationed.
///
/// A replica that fails before its first word is replaced by another as long as the retry budget (10 % of the requests)
/// lasts. When every breaker is open the request fails at once, without asking anybody. A request that is wrong in itself,
/// as its error says (`RequestFault`), is neither retried nor held against the replica. A replica that is left, by a reader
/// or at a deadline, is taken to be at least as slow as it was waited for; where another one lately needed less than a
/// tenth of the time until the deadline, it has failed. With ``HedgingPolicy`` a second replica is asked beside one that
/// is slow to begin.
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
    /// When a second replica is asked beside a slow one; `nil`, the default, for never, because both compute.
    ///
    /// A first failure then comes through the answer's stream; without hedging it is thrown by
    /// ``ReplicatedModel/generate(_:)``.
    public var hedging: HedgingPolicy?
    /// The seed of the draws; `nil` draws one.
    public var seed: UInt64?

    /// Creates options.
    public init(
      breaker: CircuitBreakerStateMachine = CircuitBreakerStateMachine(),
      retryBudget: RetryBudget = RetryBudget(),
      silenceLimit: Duration? = nil,
      hedging: HedgingPolicy? = nil,
      seed: UInt64? = nil
    ) {
      self.silenceLimit = silenceLimit
      self.hedging = hedging
      self.breaker = breaker
      self.retryBudget = retryBudget
      self.seed = seed
    }
  }

  /// How often a second replica was asked, and how often it was the faster one.
  public struct HedgeCounts: Hashable, Sendable {
    /// Requests that a second replica was asked for.
    public let sent: Int
    /// Those that it began to answer first.
    public let won: Int
  }

  fileprivate struct State {
    var machine: ReplicaSelectionStateMachine
    var hedging: HedgingStateMachine?
    var hedgesWon = 0
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
        hedging: options.hedging.map { HedgingStateMachine($0) },
        generator: SeededGenerator(seed: options.seed)
      )
    )
  }

  /// How many requests each replica is working on.
  public var inFlight: [Int] { state.withLock { $0.machine.replicas.map(\.inFlight) } }

  /// How often a second replica was asked beside a slow one.
  public var hedges: HedgeCounts {
    state.withLock { HedgeCounts(sent: $0.hedging?.sent ?? 0, won: $0.hedgesWon) }
  }

  /// Answers with one of the replicas.
  ///
  /// - Parameter request: The request.
  /// - Returns: The answer.
  /// - Throws: ``RequestError`` with code ``RequestError/Code/unavailable`` when every replica rests; the last replica's
  ///   error otherwise.
  public func generate(_ request: InferenceRequest) async throws -> GenerationStream {
    state.withLock { state in
      state.machine.recordRequest()
      state.hedging?.recordRequest()
    }
    return try await start(request, excluding: [], after: nil)
  }

  private func start(
    _ request: InferenceRequest,
    excluding excluded: Set<Int>,
    after error: (any Error)?
  ) async throws -> GenerationStream {
    let call = state.withLock { $0.begin(excluding: excluded, now: time.now) }
    guard let call else {
      throw error
        ?? RequestError(
          .unavailable,
          "Every replica of \(profile.id) has failed lately and rests; retry in a second.",
          retryAfter: .seconds(1)
        )
    }
    if excluded.isEmpty, replicas.count > 1, let delay = state.withLock({ $0.hedging?.delay }) {
      return hedged(request, call, after: delay)
    }
    do {
      let stream = try await open(request, call)
      return observed(stream, request, call).recoveringBeforeFirstEvent {
        try await self.retry(request, excluded.union([call.replica]), after: $0)
      }
    } catch {
      settle(call, request, error is CancellationError ? .abandoned : .failed(error))
      return try await retry(request, excluded.union([call.replica]), after: error)
    }
  }

  private func open(_ request: InferenceRequest, _ call: ReplicaCall) async throws -> GenerationStream {
    let replica = replicas[call.replica]
    return try await GenerationStream.opening(
      within: GenerationStream.TimeLimits(silence: silenceLimit, subject: "a replica of \(profile.id)"),
      time: time
    ) { try await replica.generate(request) }
  }

  private func observed(
    _ stream: GenerationStream,
    _ request: InferenceRequest,
    _ call: ReplicaCall
  ) -> GenerationStream {
    stream.mapEvents { event in
      call.noteEvent(at: self.time.now)
      return event
    }.onEnd { self.settle(call, request, $0) }
  }

  /// The answer of a replica, or of another that is asked after a while and begins first.
  private func hedged(
    _ request: InferenceRequest,
    _ call: ReplicaCall,
    after delay: Duration
  ) -> GenerationStream {
    let tried = TriedReplicas(call.replica)
    let race = HedgedRace(
      contender(request, call),
      askingAnotherAt: call.start.advanced(by: delay),
      time: time
    ) { [self] in
      guard !Failover.isExpired(request),
        let other = state.withLock({ $0.beginHedge(besides: call.replica, now: time.now) })
      else { return nil }
      tried.insert(other.replica)
      request.context.trace.record(
        StageRecord(stage: "hedge", work: .zero, note: "no word from a replica after \(delay)")
      )
      return contender(request, other)
    }
    return GenerationStream(pull: { try await race.next() }).recoveringBeforeFirstEvent {
      try await self.retry(request, tried.all, after: $0)
    }
  }

  /// A try whose work belongs to the stream, so that nobody waits for one that was given up.
  private func contender(_ request: InferenceRequest, _ call: ReplicaCall) -> HedgedRace.Contender {
    let stream = GenerationStream { continuation in
      for try await event in try await self.open(request, call) {
        guard continuation.yield(event) else { return }
      }
    }
    return HedgedRace.Contender(stream: observed(stream, request, call)) { call.overtake() }
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

  private func settle(_ call: ReplicaCall, _ request: InferenceRequest, _ end: GenerationEnd) {
    let now = time.now
    let latency = call.latency(until: now)
    let isExpired = !call.hasBegun && Failover.isExpired(request)
    state.withLock { state in
      switch end {
      case .finished:
        state.machine.finished(call.replica, latency: latency, now: now)
        if !call.isHedge { state.hedging?.observe(latency) }
      case .abandoned where call.isOvertaken:
        state.machine.overtaken(call.replica, after: latency, now: now)
        guard !call.isHedge else { break }
        state.hedging?.observe(latency)
        state.hedgesWon += 1
      case .abandoned where isExpired: state.machine.expired(call.replica, after: latency, now: now)
      case .abandoned: state.machine.overtaken(call.replica, after: latency, now: now)
      case .failed(let error) where Failover.isReplicasFault(error):
        state.machine.failed(call.replica, now: now)
      case .failed where isExpired: state.machine.expired(call.replica, after: latency, now: now)
      // A request that is wrong in itself says nothing about the replica.
      case .failed: state.machine.abandoned(call.replica, now: now)
      }
    }
  }
}

extension ReplicatedModel.State {
  /// Chooses the replica for a try.
  fileprivate mutating func begin(
    excluding excluded: Set<Int>,
    now: ContinuousClock.Instant
  ) -> ReplicaCall? {
    machine.choose(excluding: excluded, now: now, using: &generator).map {
      ReplicaCall($0, start: now, isHedge: false)
    }
  }

  /// Chooses the replica that is asked beside a slow one, if the budget allows one.
  fileprivate mutating func beginHedge(besides slow: Int, now: ContinuousClock.Instant) -> ReplicaCall? {
    guard let choice = machine.choose(excluding: [slow], now: now, using: &generator) else { return nil }
    guard hedging?.mayHedge() == true else {
      machine.abandoned(choice, now: now)
      return nil
    }
    return ReplicaCall(choice, start: now, isHedge: true)
  }
}
