// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import Metrics
public import TenfoldCore

/// Takes writes in as fast as a log can, and applies them to a slower place behind the writer's back.
///
/// A write is an event in an ``EventLog``: once that is durable the writer goes on, with a token. ``run()`` hands the
/// events to a ``WriteSink`` in order and in batches. Whoever must see a write waits for its token.
///
/// **Durability.** An acknowledged write is as durable as the log. A kill between log and sink delays it: ``run()`` goes
/// on from the sink's own position, and as the sink keeps that with its data, each write counts once. What the sink lacks
/// isn't trimmed from the log (``SQLiteEventLog/trimApplied(and:)``). Put log and sink back from a backup together: a sink
/// that is ahead of its log would pass over new events with old numbers, which ends everything here with
/// ``StorageError/Code/diverged``.
///
/// ```swift
/// let writes = WriteBehind(log: log, sink: sink)
/// let token = try await writes.write([NewEvent(kind: "answered.v1", subject: "chat-7", payload: bytes)])
/// try await writes.wait(for: token)  // only where it must be seen
/// ```
public final class WriteBehind: Sendable {
  /// When a write returns.
  public struct Level: Hashable, Sendable {
    private let name: String

    /// It is in the log: as durable as that, and it will be applied.
    public static let acknowledged = Self(name: "acknowledged")
    /// The sink shows it.
    public static let applied = Self(name: "applied")
  }

  /// How writes are taken in and applied; every field has a default.
  public struct Options: Sendable {
    /// Writes handed to the sink at once, at least 1.
    public var batch: Int
    /// Writes that may wait for the sink before new ones have to wait too; `nil` for no limit.
    public var maximumLag: Int64?
    /// How often to look for what other processes wrote or applied; `nil` when this process alone does: then nothing
    /// wakes between writes.
    public var pollInterval: Duration?
    /// How long to wait after the sink failed.
    public var retryPause: Duration
    /// What the waiting waits on.
    public var time: TimeSource

    /// Creates options.
    ///
    /// - Parameters:
    ///   - batch: Writes handed to the sink at once.
    ///   - maximumLag: Writes that may wait for the sink before new ones have to wait too.
    ///   - pollInterval: How often to look for what other processes wrote or applied.
    ///   - retryPause: How long to wait after the sink failed.
    ///   - time: What the waiting waits on.
    public init(
      batch: Int = 500,
      maximumLag: Int64? = nil,
      pollInterval: Duration? = .seconds(1),
      retryPause: Duration = .seconds(1),
      time: TimeSource = .system
    ) {
      self.batch = batch
      self.maximumLag = maximumLag
      self.pollInterval = pollInterval
      self.retryPause = retryPause
      self.time = time
    }
  }

  private let log: any EventLog
  private let sink: any WriteSink
  private let options: Options
  private let gate = PositionGate()

  /// Creates a pair of log and sink; nothing is applied before ``run()``.
  ///
  /// - Parameters:
  ///   - log: Where writes are taken in.
  ///   - sink: Where they go.
  ///   - options: How they are taken in and applied.
  public init(log: any EventLog, sink: any WriteSink, options: Options = Options()) {
    self.log = log
    self.sink = sink
    self.options = options
    (log as? SQLiteEventLog)?.followers.join(self, sink)
  }

  deinit { (log as? SQLiteEventLog)?.followers.leave(self) }

  /// Takes in writes, all or none.
  ///
  /// When more than ``Options/maximumLag`` writes wait for the sink this waits until there is room; writers that come at
  /// the same moment may exceed the limit together. Cancelling the task while it waits for room means that nothing was
  /// written; while it waits for the level, that it will be.
  ///
  /// - Parameters:
  ///   - events: At least one.
  ///   - level: When to return.
  /// - Returns: The token of the last of them.
  /// - Throws: What the log throws: then nothing was written, unless it is ``StorageError/Code/syncFailed``. `CancellationError`;
  ///   ``StorageError/Code/diverged`` while it waits.
  @discardableResult
  public func write(_ events: [NewEvent], until level: Level = .acknowledged) async throws -> WriteToken {
    if let limit = options.maximumLag {
      try await wait(for: WriteToken(try await log.latest() - max(0, limit)))
    }
    let token = WriteToken(try await log.append(events))
    if level == .applied { try await wait(for: token) }
    return token
  }

  /// Waits until the sink shows a write.
  ///
  /// It wakes with the batch that applies it; what another process applies is seen at the next look. Without anything
  /// that runs ``run()`` it waits for ever: cancel it, or bound it.
  ///
  /// - Parameter token: The write.
  /// - Throws: What the sink throws, ``StorageError/Code/diverged`` if it is ahead of the log, or `CancellationError`.
  public func wait(for token: WriteToken) async throws {
    while gate.position < token.sequence {
      gate.advance(to: try await checkedPosition())
      guard let pause = options.pollInterval else { return try await gate.wait(for: token.sequence) }
      if try await gate.wait(for: token.sequence, atMost: pause, time: options.time) { return }
    }
  }

  /// How many events of the log the sink doesn't show yet.
  ///
  /// - Returns: The distance of the positions; events that were erased count too.
  /// - Throws: What the log or the sink throws.
  public func lag() async throws -> Int64 {
    let position = try await sink.position()
    return max(0, try await log.latest() - position)
  }

  /// Applies writes until the task is cancelled; run it once for each sink, in one process.
  ///
  /// A sink that throws is tried again after a pause, from its own position: no write is passed over.
  ///
  /// - Throws: `CancellationError`, or ``StorageError`` with code ``StorageError/Code/diverged`` if the sink is ahead of the log.
  public func run() async throws {
    let logger = Logger(label: "tenfold.storage.write-behind")
    let lag = Gauge(label: "tenfold.storage.write_behind_lag")
    while true {
      // The stream comes first, so that no append between looking and waiting is missed.
      let hints = log.hints
      do {
        let left = try await applyAll()
        lag.record(left)
      } catch let error as StorageError where error.code == .diverged {
        // It will not be otherwise later.
        throw error
      } catch {
        try Task.checkCancellation()
        logger.error("a write sink failed, trying again later", metadata: ["error": "\(error)"])
        try await options.time.sleep(until: options.time.now + options.retryPause)
        continue
      }
      try await hint(hints, atMost: options.pollInterval, time: options.time)
    }
  }

  /// The sink's position, which no event of the log is before in a pair that belongs together.
  private func checkedPosition() async throws -> Int64 {
    let position = try await sink.position()
    let newest = try await log.latest()
    guard position <= newest else {
      throw StorageError(
        .diverged,
        """
        A write sink has applied event \(position), but its log ends with \(newest), as after restoring the log alone or \
        losing power with a relaxed one: build the sink anew from the log, or restore both together.
        """
      )
    }
    return position
  }

  /// Applies everything there is; how many came meanwhile.
  private func applyAll() async throws -> Int64 {
    var position = try await checkedPosition()
    gate.advance(to: position)
    let limit = max(1, options.batch)
    while true {
      try Task.checkCancellation()
      let newest = try await log.latest()
      let events = try await log.events(after: position, limit: limit)
      if let last = events.last {
        try await sink.apply(events)
        position = last.sequence
        gate.advance(to: position)
      }
      guard events.count < limit else { continue }
      // What is missing up to there was erased or trimmed: nobody need wait for it.
      gate.advance(to: newest)
      return max(0, try await log.latest() - max(position, newest))
    }
  }
}
