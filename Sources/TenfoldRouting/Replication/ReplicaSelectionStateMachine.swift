// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Chooses among replicas of one model: the better of two drawn at random, by latency times work in flight; pure.
///
/// Latency is a peak-sensitive moving average: a slow answer counts at once, and is forgotten slowly. Work in flight
/// counts too, because latency alone sends everybody to the same replica. A breaker keeps failing replicas out.
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
    /// The moving average of its latency in seconds.
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

  /// Creates a machine.
  ///
  /// - Parameters:
  ///   - replicaCount: How many replicas there are.
  ///   - initialLatency: What is assumed of a replica that has not answered yet.
  ///   - decay: After this time an old latency counts 37 % of what it did.
  ///   - breaker: The breaker that each replica starts with.
  ///   - retryBudget: How many retries there may be.
  public init(
    replicaCount: Int,
    initialLatency: Duration = .milliseconds(100),
    decay: Duration = .seconds(10),
    breaker: CircuitBreakerStateMachine = CircuitBreakerStateMachine(),
    retryBudget: RetryBudget = RetryBudget()
  ) {
    let seconds =
      Double(initialLatency.components.seconds) + Double(initialLatency.components.attoseconds) * 1e-18
    self.replicas = Array(
      repeating: Replica(latency: max(1e-6, seconds), breaker: breaker),
      count: max(0, replicaCount)
    )
    self.retryBudget = retryBudget
    self.decay = max(1e-3, Double(decay.components.seconds) + Double(decay.components.attoseconds) * 1e-18)
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
    let seconds = Double(latency.components.seconds) + Double(latency.components.attoseconds) * 1e-18
    observe(replica, seconds, now)
    replicas[replica].breaker.succeeded()
  }

  /// A request has failed.
  public mutating func failed(_ replica: Int, now: ContinuousClock.Instant) {
    release(replica)
    replicas[replica].breaker.failed(now: now)
  }

  /// Another replica, asked later, answered a request first.
  ///
  /// - Parameters:
  ///   - replica: Who was slower.
  ///   - latency: How long it had been waited for, which its latency would have exceeded.
  ///   - now: The instant.
  public mutating func overtaken(_ replica: Int, after latency: Duration, now: ContinuousClock.Instant) {
    abandoned(replica, now: now)
    if latency.inSeconds > replicas[replica].latency { observe(replica, latency.inSeconds, now) }
  }

  /// A request's reader has left.
  public mutating func abandoned(_ replica: Int, now: ContinuousClock.Instant) {
    release(replica)
    replicas[replica].breaker.abandoned(now: now)
  }

  private mutating func release(_ replica: Int) {
    replicas[replica].inFlight = max(0, replicas[replica].inFlight - 1)
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
    replicas[replica].latency * Double(replicas[replica].inFlight + 1)
  }

  private func fade(_ replica: Int, _ now: ContinuousClock.Instant) -> Double {
    guard let updated = replicas[replica].updated else { return 0 }
    let age = updated.duration(to: now).components
    return (-(Double(age.seconds) + Double(age.attoseconds) * 1e-18) / decay).exponential
  }
}
