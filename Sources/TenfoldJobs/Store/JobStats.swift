// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// What a store says about its queues.
public struct JobStats: Sendable {
  /// What to look at.
  public struct Query: Sendable {
    /// Count the jobs of these queues; empty for all.
    public var queues: [QueueName]
    /// Also describe these jobs.
    public var jobs: [RawJobID]
    /// Also describe up to this many dead letters, oldest first.
    public var deadLetters: Int

    /// Creates a query.
    ///
    /// - Parameters:
    ///   - queues: Count the jobs of these queues; empty for all.
    ///   - jobs: Also describe these jobs.
    ///   - deadLetters: Also describe up to this many dead letters.
    public init(queues: [QueueName] = [], jobs: [RawJobID] = [], deadLetters: Int = 0) {
      self.queues = queues
      self.jobs = jobs
      self.deadLetters = deadLetters
    }
  }

  /// Jobs that wait, also those whose time has not come.
  public var ready = 0
  /// Jobs that a worker holds.
  public var running = 0
  /// Dead letters.
  public var dead = 0
  /// How long the oldest job that could start has waited.
  public var oldestReadyAge: Duration?
  /// How long until a delayed job may start or a lease expires, zero when one is due.
  public var untilNextDue: Duration?
  /// The jobs asked for, as far as the store still knows them.
  public var jobs: [JobSnapshot] = []
  /// The dead letters asked for.
  public var deadLetters: [JobSnapshot] = []

  /// Creates empty statistics.
  public init() {}
}
