// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
public import Tracing

extension JobWorker {
  /// How a worker works; every field has a default.
  public struct Options: Sendable {
    /// The queues to serve, the first ones first.
    public var queues: [QueueName]
    /// Jobs that run at the same time, at least 1.
    public var concurrency: Int
    /// Jobs held ready beside the running ones.
    public var prefetch: Int
    /// How long a job of a worker that died stays with it; renewed every third of this while a job runs.
    public var lease: Duration
    /// How often to look for what other processes enqueued; `nil` for never.
    ///
    /// A store that is not shared (``JobStore/isShared``) is never polled.
    public var pollInterval: Duration?
    /// How long a run may take, at most 365 days; `nil` for any time.
    ///
    /// After it the run's task is cancelled and its lease isn't renewed any more. A run that then throws has failed with
    /// ``JobError/Code/timedOut``, which uses up an attempt; of one that doesn't leave before its lease ends nothing is
    /// kept, and the job starts again as if its worker were lost. A run that ends well after all counts.
    public var runTimeLimit: Duration?
    /// How long to wait after a failed run.
    public var retry: RetryPolicy
    /// Who this is, for people.
    public var workerID: String
    /// Gets a span `tenfold.job` for each run, with a link to the trace of whoever enqueued the job; `nil` for the system's.
    public var tracer: (any Tracer)?

    /// Creates options.
    ///
    /// - Parameters:
    ///   - queues: The queues to serve, the first ones first.
    ///   - concurrency: Jobs that run at the same time, at least 1.
    ///   - prefetch: Jobs held ready beside the running ones.
    ///   - lease: How long a job of a worker that died stays with it.
    ///   - pollInterval: How often to look for what other processes enqueued.
    ///   - runTimeLimit: How long a run may take.
    ///   - retry: How long to wait after a failed run.
    ///   - workerID: Who this is, for people.
    ///   - tracer: Gets a span for each run.
    public init(
      queues: [QueueName] = [.standard],
      concurrency: Int = 4,
      prefetch: Int = 0,
      lease: Duration = .seconds(10),
      pollInterval: Duration? = .seconds(1),
      runTimeLimit: Duration? = nil,
      retry: RetryPolicy = RetryPolicy(),
      workerID: String = "worker",
      tracer: (any Tracer)? = nil
    ) {
      self.queues = queues
      self.concurrency = concurrency
      self.prefetch = prefetch
      self.lease = lease
      self.pollInterval = pollInterval
      self.runTimeLimit = runTimeLimit
      self.retry = retry
      self.workerID = workerID
      self.tracer = tracer
    }

    func validate() throws(JobError) {
      try JobError.require(!queues.isEmpty, "queues", "at least one")
      try JobError.require((1...10_000).contains(concurrency), "concurrency", "1…10,000")
      try JobError.require((0...10_000).contains(prefetch), "prefetch", "0…10,000")
      try JobError.require(
        lease >= .milliseconds(100) && lease <= .seconds(86_400),
        "lease",
        "100 ms … 1 day"
      )
      try JobError.require(pollInterval ?? .seconds(1) >= .milliseconds(1), "pollInterval", "at least 1 ms")
      let limit = runTimeLimit ?? .seconds(1)
      try JobError.require(
        limit > .zero && limit <= .seconds(365 * 86_400),
        "runTimeLimit",
        "longer than zero, at most 365 days"
      )
    }
  }
}
