// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// How one job is enqueued; every field has a default.
///
/// ```swift
/// try await queue.enqueue(
///   Reindex(corpus: "scifact"),
///   options: JobOptions(priority: .background, uniqueKey: "reindex-scifact"))
/// ```
public struct JobOptions: Sendable {
  /// The queue to put the job into.
  public var queue: QueueName
  /// The level among the jobs of the queue.
  public var priority: JobPriority
  /// How long the job must wait before it may start.
  public var delay: Duration
  /// How long after it was handed in a run of the job may still start; `nil` for ever.
  ///
  /// For work that nobody wants late. The delay and the pauses between attempts count. A job whose time is over becomes a
  /// dead letter when its turn comes; until then it keeps its unique key, so one with the same key is not taken in. A replay
  /// gives it all the time there is. A run that has begun goes on.
  public var expiresAfter: Duration?
  /// Whose work this is.
  public var tenant: TenantID
  /// Runs that may end in an error before the job becomes a dead letter; lost leases count apart.
  public var maximumAttempts: Int
  /// Leases that may be lost in a row before the job becomes a dead letter, with nothing new saved and no run in between that
  /// ended by itself, in an error or a snooze.
  ///
  /// A job that takes its worker's process down loses its lease each time. More suit work on machines that are often taken
  /// away, if it saves no checkpoints. With 1 a job whose worker was lost waits for somebody's consent, as a dead letter.
  ///
  /// What ran beside such a job lost its leases with it. So a job that has lost some, and would be a dead letter with the next
  /// one, runs alone: its worker lets what runs end, gives back what had not begun, and takes nothing in until it has run. The
  /// job waits for the others, and they for it, for a lease at most.
  ///
  /// That doesn't keep work from beginning twice. Leases that ended because the machine was restarted aren't counted; and a
  /// claim isn't synced to the disk, so loss of power can make a run that had begun one that never was. Work that may begin
  /// only once notes the job's id where it has its effect, in one transaction with that, and looks there first.
  public var crashLimit: Int
  /// At most one job with this key is accepted, until it ended and ``uniqueRetention`` passed.
  ///
  /// Keys are shared by all queues and tenants of a store. Where each tenant shall have keys of its own put the tenant into
  /// the key, as in `"acme/reindex"`: otherwise one tenant's job keeps another's out, and that one gets its handle.
  public var uniqueKey: String?
  /// How long after its end a job's unique key stays taken.
  public var uniqueRetention: Duration
  /// At most ``concurrencyLimit`` jobs with this key run at the same time.
  public var concurrencyKey: String?
  /// The limit for ``concurrencyKey``.
  public var concurrencyLimit: Int
  /// How often jobs with the limit's key may start; `nil` for as often as workers have room.
  public var rateLimit: JobRateLimit?
  /// Jobs that must be done before this one may start.
  ///
  /// A job that the store doesn't know, or no longer, counts as done. When one of them is cancelled, purged or erased this
  /// job becomes a dead letter; while one is a dead letter this job waits, as a replay may still finish it.
  public var after: [RawJobID]
  /// How long the output, or the fact that there is none, is kept after the end.
  public var resultRetention: Duration
  /// Trace context to carry to the worker, in the fields of the tracing system's format; where there is none, that of the task
  /// that enqueues.
  public var trace: [String: String]

  /// Creates options.
  ///
  /// - Parameters:
  ///   - queue: The queue to put the job into.
  ///   - priority: The level among the jobs of the queue.
  ///   - delay: How long the job must wait before it may start.
  ///   - expiresAfter: How long after it was handed in the job may still start a run, longer than zero.
  ///   - tenant: Whose work this is.
  ///   - maximumAttempts: Runs that may end in an error, at least 1.
  ///   - crashLimit: Leases that may be lost in a row, at least 1.
  ///   - uniqueKey: At most one job with this key is accepted, of whichever tenant.
  ///   - uniqueRetention: How long after the job's end its key stays taken.
  ///   - concurrencyKey: Jobs with the same key share ``concurrencyLimit``.
  ///   - concurrencyLimit: How many of them run at once, at least 1.
  ///   - rateLimit: How often jobs with the limit's key may start.
  ///   - after: Jobs that must be done before this one may start.
  ///   - resultRetention: How long the output is kept.
  ///   - trace: Trace context to carry to the worker.
  public init(
    queue: QueueName = .standard,
    priority: JobPriority = .normal,
    delay: Duration = .zero,
    expiresAfter: Duration? = nil,
    tenant: TenantID = "",
    maximumAttempts: Int = 10,
    crashLimit: Int = 3,
    uniqueKey: String? = nil,
    uniqueRetention: Duration = .zero,
    concurrencyKey: String? = nil,
    concurrencyLimit: Int = 1,
    rateLimit: JobRateLimit? = nil,
    after: [RawJobID] = [],
    resultRetention: Duration = .seconds(3600),
    trace: [String: String] = [:]
  ) {
    self.queue = queue
    self.priority = priority
    self.delay = delay
    self.expiresAfter = expiresAfter
    self.tenant = tenant
    self.maximumAttempts = maximumAttempts
    self.crashLimit = crashLimit
    self.uniqueKey = uniqueKey
    self.uniqueRetention = uniqueRetention
    self.concurrencyKey = concurrencyKey
    self.concurrencyLimit = concurrencyLimit
    self.rateLimit = rateLimit
    self.after = after
    self.resultRetention = resultRetention
    self.trace = trace
  }

  func validate() throws(JobError) {
    try JobError.require(maximumAttempts >= 1, "maximumAttempts", "at least 1")
    try JobError.require(crashLimit >= 1, "crashLimit", "at least 1")
    try JobError.require(concurrencyLimit >= 1, "concurrencyLimit", "at least 1")
    if let expiresAfter { try JobError.require(expiresAfter > .zero, "expiresAfter", "longer than zero") }
    guard let rateLimit else { return }
    try JobError.require(rateLimit.count >= 1, "rateLimit.count", "at least 1")
    try JobError.require(rateLimit.period > .zero, "rateLimit.period", "longer than zero")
    try JobError.require(rateLimit.burst >= 1, "rateLimit.burst", "at least 1")
  }
}
