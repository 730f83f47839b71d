// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

internal import Logging
public import TenfoldCore

/// Keeps projections up to date: catches up after each append, and lets new versions take over once they have.
///
/// A version that is older than the one that answers is kept up to date and takes nothing back, so that a build from before
/// can run beside a newer one.
///
/// A projection that throws stays where it is and is tried again at the next look; the others go on. Cancelling the task
/// of ``run()`` stops between batches.
///
/// ```swift
/// let runner = ProjectionRunner(log: log, projections: [AnswersPerChat()])
/// try await runner.run()  // in the host's service group
/// ```
public struct ProjectionRunner: Sendable {
  private let log: SQLiteEventLog
  private let projections: [any Projection]
  private let batch: Int
  private let pollInterval: Duration?
  private let retryPause: Duration
  private let time: TimeSource

  /// Creates a runner; nothing runs before ``run()``.
  ///
  /// - Parameters:
  ///   - log: The log, with the projections' tables in its database.
  ///   - projections: The versions that shall answer.
  ///   - batch: Events for each transaction, at least 1.
  ///   - pollInterval: How often to look for what other processes appended; `nil` when only this value and its copies
  ///     append: then nothing wakes between appends.
  ///   - retryPause: How long to wait at most before a projection that failed is tried again.
  ///   - time: What the polling waits on.
  public init(
    log: SQLiteEventLog,
    projections: [any Projection],
    batch: Int = 500,
    pollInterval: Duration? = .seconds(1),
    retryPause: Duration = .seconds(1),
    time: TimeSource = .system
  ) {
    self.log = log
    self.projections = projections
    self.batch = batch
    self.pollInterval = pollInterval
    self.retryPause = retryPause
    self.time = time
  }

  /// Keeps the projections up to date until the task is cancelled.
  ///
  /// - Throws: `CancellationError`.
  public func run() async throws {
    let logger = Logger(label: "tenfold.storage.projections")
    while true {
      // The stream comes first, so that no append between catching up and waiting is missed.
      let hints = log.hints
      var hasFailed = false
      for projection in projections {
        do {
          if let current = try await log.current(projection.name), current.version > projection.version {
            try await log.catchUp(projection, batch: batch)
          } else {
            try await log.takeOverFromOlder(projection, batch: batch)
          }
        } catch {
          try Task.checkCancellation()
          hasFailed = true
          logger.error(
            "a projection failed, trying again later",
            metadata: ["projection": "\(projection.name).\(projection.version)", "error": "\(error)"]
          )
        }
      }
      try await hint(
        hints,
        atMost: hasFailed ? min(retryPause, pollInterval ?? retryPause) : pollInterval,
        time: time
      )
    }
  }
}

/// Waits for a hint, or until a time has passed, if there is one.
func hint(_ hints: AsyncStream<Void>, atMost pause: Duration?, time: TimeSource) async throws {
  try await withThrowingTaskGroup(of: Void.self) { group in
    group.addTask { for await _ in hints { return } }
    if let pause { group.addTask { try await time.sleep(until: time.now + pause) } }
    defer { group.cancelAll() }
    try await group.next()
  }
  try Task.checkCancellation()
}
