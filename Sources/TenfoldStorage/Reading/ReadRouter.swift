// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
public import TenfoldCore

/// Sends reads to replicas as far as these are new enough, else to the primary.
///
/// A read says how new what it sees must be. With a token it waits a little for a replica to come so far; then it takes
/// the primary. A replica that fails rests, and its read goes to the primary. Other errors of a read are the caller's own
/// and come back as they are.
///
/// ```swift
/// let router = ReadRouter(primary: .primary(log), replicas: [.replica("a", sink)])
/// let answers = try await router.read(.includes(token)) { database in
///   try await database.read { tx in try tx.query("SELECT text FROM answer") { try $0.text(0) } }
/// }
/// ```
public final class ReadRouter<Source: Sendable>: Sendable {
  /// How reads are routed; every field has a default.
  public struct Options: Sendable {
    /// How long a read waits for a replica to come far enough before it goes to the primary.
    public var maximumWait: Duration
    /// How long to wait between two looks at the replicas' positions.
    public var lookInterval: Duration
    /// How long a replica rests after a failure; doubled with each further one, up to 64 times.
    public var rest: Duration
    /// How long a replica may take to say how far it has come before it counts as failed; `nil` for any time.
    ///
    /// A read waits no longer than this, also for a position that is deaf to cancellation. Such a replica isn't asked again
    /// before it has answered.
    public var positionTimeout: Duration?
    /// Whether an error of a read says that the replica failed.
    ///
    /// By default a ``StorageError`` does, also as the cause of another module's error. Name the errors of the driver
    /// where reads go to something else.
    public var isReplicaFailure: @Sendable (any Error) -> Bool
    /// Where the time comes from.
    public var time: TimeSource

    /// Creates options.
    ///
    /// - Parameters:
    ///   - maximumWait: How long a read waits for a replica to come far enough.
    ///   - lookInterval: How long to wait between two looks at the replicas' positions.
    ///   - rest: How long a replica rests after a failure.
    ///   - positionTimeout: How long a replica may take to say how far it has come.
    ///   - isReplicaFailure: Whether an error of a read says that the replica failed.
    ///   - time: Where the time comes from.
    public init(
      maximumWait: Duration = .milliseconds(20),
      lookInterval: Duration = .milliseconds(2),
      rest: Duration = .seconds(1),
      positionTimeout: Duration? = .milliseconds(100),
      isReplicaFailure: @escaping @Sendable (any Error) -> Bool = StorageError.isCause(of:),
      time: TimeSource = .system
    ) {
      self.maximumWait = maximumWait
      self.lookInterval = lookInterval
      self.rest = rest
      self.positionTimeout = positionTimeout
      self.isReplicaFailure = isReplicaFailure
      self.time = time
    }
  }

  /// Counts since the router was made.
  public struct Statistics: Sendable, Hashable {
    /// Reads that went to the primary.
    public var primaryReads = 0
    /// Reads that went to a replica.
    public var replicaReads = 0
    /// Reads of a replica that failed.
    public var replicaFailures = 0
  }

  private let primary: PositionLook<Source>
  private let replicas: [PositionLook<Source>]
  private let options: Options
  private let state: Mutex<ReadRoutingStateMachine>
  private let counts = Mutex(Statistics())

  /// Creates a router.
  ///
  /// - Parameters:
  ///   - primary: Where everything is.
  ///   - replicas: Where most reads shall go; none makes every read go to the primary.
  ///   - options: How reads are routed.
  public init(primary: ReadReplica<Source>, replicas: [ReadReplica<Source>], options: Options = Options()) {
    self.primary = PositionLook(primary, timeout: options.positionTimeout, time: options.time)
    self.replicas = replicas.map { PositionLook($0, timeout: options.positionTimeout, time: options.time) }
    self.options = options
    state = Mutex(ReadRoutingStateMachine(count: replicas.count))
  }

  /// Counts since the router was made.
  public var statistics: Statistics { counts.withLock { $0 } }

  /// Reads from a place that is new enough.
  ///
  /// - Parameters:
  ///   - consistency: How new what the read sees must be.
  ///   - body: The read; it may be made a second time, at the primary, when a replica fails.
  /// - Returns: What `body` returned.
  /// - Throws: What `body` throws at the primary, or at a replica that hasn't failed (``Options/isReplicaFailure``);
  ///   `CancellationError`, after which nothing is tried again.
  public func read<Value: Sendable>(
    _ consistency: ReadConsistency,
    _ body: @Sendable (Source) async throws -> Value
  ) async throws -> Value {
    if let replica = try await choose(consistency) {
      state.withLock { $0.began(replica) }
      do {
        let value = try await body(replicas[replica].place.source)
        state.withLock { $0.ended(replica) }
        counts.withLock { $0.replicaReads += 1 }
        return value
      } catch {
        // Whoever leaves, or fails with what it read, says nothing about the replica.
        guard !Task.isCancelled, !(error is CancellationError), options.isReplicaFailure(error) else {
          state.withLock { $0.left(replica) }
          throw error
        }
        state.withLock { $0.failed(replica, wasRead: true, now: options.time.now, rest: options.rest) }
        counts.withLock { $0.replicaFailures += 1 }
      }
    }
    counts.withLock { $0.primaryReads += 1 }
    return try await body(primary.place.source)
  }

  /// How far each replica is behind the primary, in writes; `nil` for one that can't be asked.
  ///
  /// - Returns: The lags by the replicas' names.
  /// - Throws: When the primary can't be asked.
  public func lags() async throws -> [String: Int64?] {
    let newest = try await primary.answer().position
    var lags: [String: Int64?] = [:]
    for replica in replicas {
      let position = try? await replica.answer().position
      lags.updateValue(position.map { max(0, newest - $0) }, forKey: replica.place.name)
    }
    return lags
  }

  // MARK: - Choosing

  private func choose(_ consistency: ReadConsistency) async throws -> Int? {
    if replicas.isEmpty || consistency == .newest { return nil }
    let time = options.time
    guard let requirement = try await requirement(consistency) else { return nil }
    let deadline = time.now + options.maximumWait
    while true {
      try Task.checkCancellation()
      let now = time.now
      let (candidates, known) = state.withLock { state in
        let candidates = state.candidates(now: now)
        return (candidates, state.choose(requirement, among: candidates))
      }
      if let known { return known }
      for candidate in candidates {
        do {
          let position = try await replicas[candidate].answer().position
          state.withLock { $0.seen(position, of: candidate) }
          if position >= requirement { return candidate }
        } catch {
          try Task.checkCancellation()
          state.withLock { $0.failed(candidate, wasRead: false, now: time.now, rest: options.rest) }
        }
      }
      let next = time.now + options.lookInterval
      guard !candidates.isEmpty, next <= deadline else { return nil }
      try await time.sleep(until: next)
    }
  }

  private func requirement(_ consistency: ReadConsistency) async throws -> Int64? {
    let now = options.time.now
    if let known = state.withLock({ $0.requirement(consistency, now: now) }) { return known }
    // No look at the primary is new enough: this one is, unless somebody else began it too long ago.
    guard let answer = try? await primary.answer() else {
      try Task.checkCancellation()
      return nil
    }
    return state.withLock { state in
      state.sampled(answer.position, at: answer.asked)
      return state.requirement(consistency, now: now)
    }
  }
}
