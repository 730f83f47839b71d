// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Which replica serves a read: pure, so that it is tested without replicas or waiting.
///
/// Positions only rise, so what was once seen of a replica is a bound for ever. Times are given in.
struct ReadRoutingStateMachine: Sendable {
  typealias Instant = ContinuousClock.Instant

  /// What is known of a replica.
  struct Replica: Sendable {
    var position: Int64 = 0
    var openReads = 0
    var failures = 0
    /// Not used before this, after failures.
    var restsUntil: Instant?
  }

  /// When the primary was seen at a position: whoever has that position is no older than this.
  struct Sample: Sendable {
    var at: Instant
    var position: Int64
  }

  static let keptSamples = 64

  var replicas: [Replica]
  private(set) var samples: [Sample] = []
  private var turn = 0

  init(count: Int) { replicas = Array(repeating: Replica(), count: count) }

  /// The position that a replica needs for a read; `nil` when the primary must be asked for its position first.
  func requirement(_ consistency: ReadConsistency, now: Instant) -> Int64? {
    switch consistency.kind {
    case .primary: return .max
    case .any: return 0
    case .token(let token): return token.sequence
    case .staleness(let bound):
      // The oldest sample that is still new enough asks the least of a replica.
      return samples.first { $0.at >= now - bound }?.position
    }
  }

  /// Remembers where the primary was; those who share a look say the same, and a newer one says more.
  mutating func sampled(_ position: Int64, at instant: Instant) {
    if let last = samples.last, last.at >= instant { return }
    samples.append(Sample(at: instant, position: position))
    if samples.count > Self.keptSamples { samples.removeFirst() }
  }

  /// Remembers where a replica is.
  mutating func seen(_ position: Int64, of replica: Int) {
    replicas[replica].position = max(replicas[replica].position, position)
  }

  /// The replicas that may be asked, the least busy first; equals take turns.
  mutating func candidates(now: Instant) -> [Int] {
    turn &+= 1
    let count = replicas.count
    return (0..<count).map { (($0 &+ turn) % count + count) % count }
      .filter { index in replicas[index].restsUntil.map { $0 <= now } ?? true }
      .enumerated()
      .sorted { left, right in
        (replicas[left.element].openReads, left.offset) < (replicas[right.element].openReads, right.offset)
      }
      .map(\.element)
  }

  /// A candidate that is known to have come far enough.
  func choose(_ requirement: Int64, among candidates: [Int]) -> Int? {
    candidates.first { replicas[$0].position >= requirement }
  }

  mutating func began(_ replica: Int) { replicas[replica].openReads += 1 }

  mutating func ended(_ replica: Int) {
    replicas[replica].openReads -= 1
    replicas[replica].failures = 0
    replicas[replica].restsUntil = nil
  }

  /// A read is over that says nothing about the replica.
  mutating func left(_ replica: Int) { replicas[replica].openReads -= 1 }

  /// A replica that fails rests, for twice as long each time.
  mutating func failed(_ replica: Int, wasRead: Bool, now: Instant, rest: Duration) {
    if wasRead { replicas[replica].openReads -= 1 }
    let failures = replicas[replica].failures
    replicas[replica].failures += 1
    replicas[replica].restsUntil = now + rest * (1 << min(failures, 6))
  }
}
