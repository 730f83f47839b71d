// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore
public import TenfoldJobs

extension BatchInference {
  /// What becomes of input lines that hold no valid request.
  public struct BadLines: Hashable, Sendable {
    private let name: String

    /// Submitting throws at the first bad line and takes in nothing.
    public static let refuse = Self(name: "refuse")
    /// The good lines are answered; a bad one gets an output line with the error.
    public static let report = Self(name: "report")
  }

  /// How batches are taken in and answered; every field has a default.
  public struct Options: Sendable {
    /// The queue of the lines' jobs; a worker that serves others too should name it last.
    public var queue: QueueName
    /// Lines that are answered at the same time by one worker, 1…10,000.
    public var concurrency: Int
    /// How long a line of a worker that died stays with it.
    public var lease: Duration
    /// Runs of a line that may fail before its error becomes its result, at least 1.
    ///
    /// Refusals for lack of room don't count: the line waits.
    public var maximumAttempts: Int
    /// The longest input line, 1…16 MiB.
    public var maximumLineInBytes: Int
    /// What becomes of input lines that hold no valid request.
    public var badLines: BadLines
    /// The token limit of lines that name none, at least 1.
    public var defaultMaxTokens: Int
    /// Which caches may answer.
    public var cachePolicy: CachePolicy
    /// The live requests that lines give way to; `nil` answers them beside each other, at background priority.
    public var yieldsTo: LiveTraffic?
    /// How long a line waits after a refusal that doesn't say how long.
    public var refusalPause: Duration
    /// How often to look for what other processes did.
    public var pollInterval: Duration
    /// How long to wait after a failed run.
    public var retry: RetryPolicy
    /// What the polling waits on.
    public var time: TimeSource
    /// What the answers' `created` is read from.
    public var clock: JobStoreClock

    /// Creates options.
    ///
    /// - Parameters:
    ///   - queue: The queue of the lines' jobs.
    ///   - concurrency: Lines that are answered at the same time by one worker.
    ///   - lease: How long a line of a worker that died stays with it.
    ///   - maximumAttempts: Runs of a line that may fail before its error becomes its result.
    ///   - maximumLineInBytes: The longest input line.
    ///   - badLines: What becomes of input lines that hold no valid request.
    ///   - defaultMaxTokens: The token limit of lines that name none.
    ///   - cachePolicy: Which caches may answer.
    ///   - yieldsTo: The live requests that lines give way to.
    ///   - refusalPause: How long a line waits after a refusal that doesn't say how long.
    ///   - pollInterval: How often to look for what other processes did.
    ///   - retry: How long to wait after a failed run.
    ///   - time: What the polling waits on.
    ///   - clock: What the answers' `created` is read from.
    public init(
      queue: QueueName = "batch",
      concurrency: Int = 4,
      lease: Duration = .seconds(10),
      maximumAttempts: Int = 5,
      maximumLineInBytes: Int = 1 << 20,
      badLines: BadLines = .refuse,
      defaultMaxTokens: Int = 256,
      cachePolicy: CachePolicy = .standard,
      yieldsTo: LiveTraffic? = nil,
      refusalPause: Duration = .seconds(1),
      pollInterval: Duration = .milliseconds(500),
      retry: RetryPolicy = RetryPolicy(),
      time: TimeSource = .system,
      clock: JobStoreClock = .system
    ) {
      self.queue = queue
      self.concurrency = concurrency
      self.lease = lease
      self.maximumAttempts = maximumAttempts
      self.maximumLineInBytes = maximumLineInBytes
      self.badLines = badLines
      self.defaultMaxTokens = defaultMaxTokens
      self.cachePolicy = cachePolicy
      self.yieldsTo = yieldsTo
      self.refusalPause = refusalPause
      self.pollInterval = pollInterval
      self.retry = retry
      self.time = time
      self.clock = clock
    }

    func validate() throws(BatchError) {
      try BatchError.require((1...10_000).contains(concurrency), "concurrency", "1…10,000")
      try BatchError.require(maximumAttempts >= 1, "maximumAttempts", "at least 1")
      try BatchError.require(
        (1...16 << 20).contains(maximumLineInBytes),
        "maximumLineInBytes",
        "1…16,777,216"
      )
      try BatchError.require(defaultMaxTokens >= 1, "defaultMaxTokens", "at least 1")
      try BatchError.require(refusalPause >= .zero, "refusalPause", "zero or longer")
      try BatchError.require(pollInterval >= .milliseconds(1), "pollInterval", "at least 1 ms")
    }
  }
}
