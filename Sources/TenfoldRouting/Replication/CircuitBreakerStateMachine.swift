// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Keeps requests away from something that keeps failing; pure.
///
/// Closed, it lets everything pass; after several failures in a row it opens and lets nothing pass; after a while it lets
/// single probes pass, and a probe that succeeds closes it. Each opening in a row doubles the wait, up to a limit.
///
/// ```swift
/// var breaker = CircuitBreakerStateMachine()
/// if breaker.mayPass(now: time.now) { … breaker.succeeded() }
/// ```
public struct CircuitBreakerStateMachine: Sendable {
  /// What the breaker does at the moment.
  public enum Phase: Hashable, Sendable {
    /// Everything passes.
    case closed
    /// Nothing passes until the instant.
    case open(until: ContinuousClock.Instant)
    /// One probe is under way.
    case probing
  }

  /// What it does at the moment.
  public private(set) var phase: Phase = .closed
  /// How many failures in a row open it.
  public let failureLimit: Int
  /// How long it stays open at first.
  public let openDuration: Duration
  /// How long it stays open at most.
  public let maximumOpenDuration: Duration
  private var failures = 0
  private var openings = 0

  /// Creates a closed breaker.
  public init(
    failureLimit: Int = 5,
    openDuration: Duration = .seconds(1),
    maximumOpenDuration: Duration = .seconds(60)
  ) {
    self.failureLimit = max(1, failureLimit)
    self.openDuration = openDuration
    self.maximumOpenDuration = max(openDuration, maximumOpenDuration)
  }

  /// Whether a request could pass now; changes nothing.
  public func wouldPass(now: ContinuousClock.Instant) -> Bool {
    switch phase {
    case .closed: true
    case .open(let until): until <= now
    case .probing: false
    }
  }

  /// Asks to pass; an open breaker whose time is over takes this request as its probe.
  ///
  /// - Parameter now: The instant.
  /// - Returns: Whether the request may pass; then report how it went.
  public mutating func mayPass(now: ContinuousClock.Instant) -> Bool {
    guard wouldPass(now: now) else { return false }
    if case .open = phase { phase = .probing }
    return true
  }

  /// A request that passed has succeeded.
  public mutating func succeeded() {
    failures = 0
    if case .open = phase { return }
    openings = 0
    phase = .closed
  }

  /// A request that passed has failed.
  public mutating func failed(now: ContinuousClock.Instant) {
    failures += 1
    switch phase {
    case .closed: if failures >= failureLimit { open(now) }
    case .probing: open(now)
    case .open: break
    }
  }

  /// A request that passed has ended without telling anything, because its reader left.
  public mutating func abandoned(now: ContinuousClock.Instant) {
    if case .probing = phase { phase = .open(until: now) }
  }

  private mutating func open(_ now: ContinuousClock.Instant) {
    let factor = 1 << min(openings, 16)
    phase = .open(until: now.advanced(by: min(openDuration * factor, maximumOpenDuration)))
    openings += 1
    failures = 0
  }
}
