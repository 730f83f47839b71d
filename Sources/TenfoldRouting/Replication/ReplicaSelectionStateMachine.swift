// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Chooses among replicas of one model: the better of two drawn at random, by latency times work in flight; pure.
///
/// Latency is a peak-sensitive moving average: a slow answer counts at once, and is forgotten slowly, also by a replica that
/// nobody asks meanwhile, so that one that was slow once is tried again. Work in flight counts too, because latency alone
/// sends everybody to the same replica. A breaker keeps failing replicas out.
///
/// ```swift
/// var machine = ReplicaSelectionStateMachine(replicaCount: 3)
/// if let replica = machine.choose(now: now, using: &generator) { … machine.finished(replica, latency: d, now: now) }
/// ```
public struct ReplicaSelectionStateMachine: Sendable {
  /// What is known of a replica.
  public struct Replica: Sendable {
    /// How many requests it is working on.
    public fileprivate(set) var inFlight = 0
    /// The moving average of its latency in seconds, as of its last answer; in choices it fades from then on.
    public fileprivate(set) var latency: Double
    /// What keeps requests away when it fails.
    public fileprivate(set) var breaker: CircuitBreakerStateMachine
    fileprivate var updated: ContinuousClock.Instant?
  }

  /// The replicas.
  public private(set) var replicas: [Replica]
  /// How many retries are left.
  public private(set) var retryBudget: RetryBudget
  private let decay: Double
  /// When the first choice was made, from which what is assumed of a replica fades.
  private var firstChoice: ContinuousClock.Instant?

  /// Creates a machine.
  ///
  /// - Parameters:
  ///   - replicaCount: How many replicas there are.
  ///   - initialLatency: What is assumed of a replica that has not answered yet.
  ///   - decay: After this time an old latency counts 37 % of what it did, whether or not newer ones came.
  ///   - breaker: The breaker that each replica starts with.
  ///   - retryBudget: How many retries there may be.
  public init(
    replicaCount: Int,
    initialLatency: Duration = .milliseconds(100),
    decay: Duration = .seconds(10),
    breaker: CircuitBreakerStateMachine = CircuitBreakerStateMachine(),
    retryBudget: RetryBudget = RetryBudget()
  ) {
    self.replicas = Array(
      repeating: Replica(latency: max(1e-6, initialLatency.inSeconds), breaker: breaker),
      count: max(0, replicaCount)
    )
    self.retryBudget = retryBudget
    self.decay = max(1e-3, decay.inSeconds)
  }

  /// A request arrives for the first time.
  public mutating func recordRequest() { retryBudget.recordRequest() }

  /// Asks whether a failed request may be tried once more.
  public mutating func mayRetry() -> Bool { retryBudget.mayRetry() }

  /// Chooses a replica and counts the request as in flight there.
  ///
  /// - Parameters:
  ///   - excluded: Replicas that have failed this request already.
  ///   - now: The instant.
  ///   - generator: Where the randomness comes from.
  /// - Returns: The replica, or `nil` when none may be asked.
  public mutating func choose(
    excluding excluded: Set<Int> = [],
    now: ContinuousClock.Instant,
    using generator: inout some RandomNumberGenerator
  ) -> Int? {
    firstChoice = firstChoice ?? now
    let open = replicas.indices.filter { !excluded.contains($0) && replicas[$0].breaker.wouldPass(now: now) }
    guard let first = open.randomElement(using: &generator) else { return nil }
    var choice = first
    let others = open.filter { $0 != first }
    if let second = others.randomElement(using: &generator), load(second, now) < load(first, now) {
      choice = second
    }
    guard replicas[choice].breaker.mayPass(now: now) else { return nil }
    replicas[choice].inFlight += 1
    return choice
  }

  /// A request has been answered.
  ///
  /// - Parameters:
  ///   - replica: Who answered.
  ///   - latency: How long the first word took.
  ///   - now: The instant.
  public mutating func finished(_ replica: Int, latency: Duration, now: ContinuousClock.Instant) {
    release(replica)
    observe(replica, latency.inSeconds, now)
    replicas[replica].breaker.succeeded()
  }

  /// A request has failed.
  public mutating func failed(_ replica: Int, now: ContinuousClock.Instant) {
    release(replica)
    replicas[replica].breaker.failed(now: now)
  }

  /// A request's reader has left, or another replica, asked later, answered it first.
  ///
  /// - Parameters:
  ///   - replica: Who was asked.
  ///   - latency: How long its first word took, or had been waited for; its latency would have been that at least.
  ///   - now: The instant.
  public mutating func overtaken(_ replica: Int, after latency: Duration, now: ContinuousClock.Instant) {
    abandoned(replica, now: now)
    noteLeastLatency(latency, of: replica, now)
  }

  /// A request's deadline has passed before its first word.
  ///
  /// That is the replica's failure if another one lately needed less than a tenth of the time; else the time was short, or
  /// all of them are busy, and the time that was waited only counts as its latency.
  ///
  /// - Parameters:
  ///   - replica: Who was asked.
  ///   - latency: How long its first word had been waited for.
  ///   - now: The instant.
  public mutating func expired(_ replica: Int, after latency: Duration, now: ContinuousClock.Instant) {
    let isFault = replicas.indices.contains { other in
      guard other != replica, let updated = replicas[other].updated else { return false }
      // What was long ago says nothing about the requests of today.
      return updated.duration(to: now).inSeconds < 3 * decay
        && replicas[other].latency * Self.faultFactor < latency.inSeconds
    }
    if isFault { failed(replica, now: now) } else { abandoned(replica, now: now) }
    noteLeastLatency(latency, of: replica, now)
  }

  /// A request's end tells nothing about who was asked: the request was wrong in itself, or not sent after all.
  public mutating func abandoned(_ replica: Int, now: ContinuousClock.Instant) {
    release(replica)
    replicas[replica].breaker.abandoned(now: now)
  }

  /// How many times as long as another replica one is waited for in vain, until that is a failure of its own.
  private static let faultFactor = 10.0

  private mutating func release(_ replica: Int) {
    replicas[replica].inFlight = max(0, replicas[replica].inFlight - 1)
  }

  /// A latency that is known to be longer than this counts where the replica would be taken for a quicker one.
  private mutating func noteLeastLatency(_ latency: Duration, of replica: Int, _ now: ContinuousClock.Instant)
  {
    if latency.inSeconds > fadedLatency(replica, now) { observe(replica, latency.inSeconds, now) }
  }

  private mutating func observe(_ replica: Int, _ seconds: Double, _ now: ContinuousClock.Instant) {
    let old = replicas[replica].latency
    if seconds > old || replicas[replica].updated == nil {
      replicas[replica].latency = max(1e-6, seconds)
    } else {
      let weight = fade(replica, now)
      replicas[replica].latency = max(1e-6, old * weight + seconds * (1 - weight))
    }
    replicas[replica].updated = now
  }

  private func load(_ replica: Int, _ now: ContinuousClock.Instant) -> Double {
    fadedLatency(replica, now) * Double(replicas[replica].inFlight + 1)
  }

  /// The latency as of now: only of a replica that is asked for nothing it fades, as one that is silent gets no quicker by it.
  private func fadedLatency(_ replica: Int, _ now: ContinuousClock.Instant) -> Double {
    let latency = replicas[replica].latency
    return replicas[replica].inFlight > 0 ? latency : max(1e-6, latency * fade(replica, now))
  }

  /// What share of its latency still counts, in 0...1.
  private func fade(_ replica: Int, _ now: ContinuousClock.Instant) -> Double {
    guard let since = replicas[replica].updated ?? firstChoice else { return 1 }
    return (-max(0, since.duration(to: now).inSeconds) / decay).exponential
  }
}
