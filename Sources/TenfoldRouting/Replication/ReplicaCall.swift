// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// A try at one replica: when it began, when its first word came, and whether another replica was faster.
final class ReplicaCall: Sendable {
  let replica: Int
  let start: ContinuousClock.Instant
  /// Whether it was made beside an earlier one that was slow.
  let isHedge: Bool
  private let state = Mutex<(first: ContinuousClock.Instant?, isOvertaken: Bool)>((nil, false))

  init(_ replica: Int, start: ContinuousClock.Instant, isHedge: Bool) {
    self.replica = replica
    self.start = start
    self.isHedge = isHedge
  }

  func noteEvent(at now: ContinuousClock.Instant) {
    state.withLock { if $0.first == nil { $0.first = now } }
  }

  /// Whether its first word has come.
  var hasBegun: Bool { state.withLock { $0.first != nil } }

  func overtake() { state.withLock { $0.isOvertaken = true } }

  var isOvertaken: Bool { state.withLock(\.isOvertaken) }

  /// How long the first word took, or has been waited for.
  func latency(until now: ContinuousClock.Instant) -> Duration {
    start.duration(to: state.withLock(\.first) ?? now)
  }
}

/// The replicas that a request has been to.
final class TriedReplicas: Sendable {
  private let replicas: Mutex<Set<Int>>

  init(_ first: Int) { replicas = Mutex([first]) }

  func insert(_ replica: Int) { replicas.withLock { _ = $0.insert(replica) } }

  var all: Set<Int> { replicas.withLock(\.self) }
}
