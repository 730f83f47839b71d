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
    /// Also describe jobs by their state.
    public var list: List?
    /// Count the jobs; without it only ``JobStats/untilNextDue`` and the jobs asked for are found, which is cheaper.
    public var countsJobs: Bool
    /// Also tell when these schedules fired last.
    public var schedules: [String]

    /// Creates a query.
    ///
    /// - Parameters:
    ///   - queues: Count the jobs of these queues; empty for all.
    ///   - jobs: Also describe these jobs.
    ///   - deadLetters: Also describe up to this many dead letters.
    ///   - list: Also describe jobs by their state.
    ///   - countsJobs: Count the jobs.
    ///   - schedules: Also tell when these schedules fired last.
    public init(
      queues: [QueueName] = [],
      jobs: [RawJobID] = [],
      deadLetters: Int = 0,
      list: List? = nil,
      countsJobs: Bool = true,
      schedules: [String] = []
    ) {
      self.queues = queues
      self.jobs = jobs
      self.deadLetters = deadLetters
      self.list = list
      self.countsJobs = countsJobs
      self.schedules = schedules
    }
  }

  /// Which jobs to describe.
  public struct List: Sendable {
    /// Their state; `nil` for all.
    public var state: JobState?
    /// Begin after this one: the last of the page before.
    public var after: RawJobID?
    /// How many at most.
    public var limit: Int

    /// Creates a list.
    ///
    /// - Parameters:
    ///   - state: Their state; `nil` for all.
    ///   - after: Begin after this one.
    ///   - limit: How many at most.
    public init(state: JobState? = nil, after: RawJobID? = nil, limit: Int) {
      self.state = state
      self.after = after
      self.limit = limit
    }
  }

  /// Jobs that wait, also those whose time has not come.
  public var ready = 0
  /// Of these, jobs that wait for a key's limit or for other jobs.
  public var blocked = 0
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
  /// The jobs of the list asked for, oldest first.
  public var listed: [JobSnapshot] = []
  /// When schedules fired last, in milliseconds since 1970; absent for those that never did.
  public var schedules: [String: Int64] = [:]

  /// Creates empty statistics.
  public init() {}
}
