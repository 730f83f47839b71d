// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldStorage

extension JobRows {
  /// A run that begins with its job: until when its lease goes.
  struct DirectRun {
    var until: Int64
    var fence: Int64
  }

  /// Accepts a job as one that a waiting worker runs already; `nil` where its turn has to be found by a claim.
  ///
  /// A job that is made ready and claimed in one transaction changes its lane, its level and two indexes, only to leave
  /// them as they were. This writes the job and its lease alone. It needs a job that nothing holds back, on a queue where
  /// nothing else may start: then no turn of anyone is taken, and no pass has to move.
  func enqueueRunning(
    _ job: NewJob,
    for request: ClaimRequest
  ) throws -> (outcome: EnqueueOutcome, lease: JobLease?)? {
    let options = job.options
    let isFree =
      options.delay <= .zero && options.after.isEmpty && options.concurrencyKey == nil
      && options.rateLimit == nil && options.expiresAfter ?? .seconds(1) > .zero
    guard isFree, request.maximum > 0, request.queues.contains(options.queue) else { return nil }
    guard try !comesDue(), try !request.queues.contains(where: { try isBusy($0, options.queue) }) else {
      return nil
    }
    try checkDepth([job])
    let run = DirectRun(until: now.advanced(by: request.leaseFor), fence: fenceBase + 1)
    let outcome = try enqueue(job, run: run)
    try flush()
    guard outcome == .inserted else { return (outcome, nil) }
    let lease = JobLease(
      reference: .init(id: job.id, fence: run.fence),
      queue: options.queue,
      name: job.name,
      payload: job.payload,
      attempt: 1,
      maximumAttempts: options.maximumAttempts,
      crashCount: 0,
      checkpoint: nil,
      trace: options.trace,
      tenant: options.tenant,
      crashLimit: options.crashLimit
    )
    return (outcome, lease)
  }

  /// Whether something may start on a queue, or it is the job's own and may hand out nothing.
  private func isBusy(_ queue: QueueName, _ own: QueueName) throws -> Bool {
    let look = try statement(.queueState)
    try look.start()
    defer { look.end() }
    look.bind(1, queue.rawValue)
    guard try look.next() else { return false }
    let (isPaused, isActive) = (look.integer(0) != 0, look.integer(1) != 0)
    return isPaused ? queue == own : isActive
  }

  /// Whether a claim would find that something has come due, on any queue.
  private func comesDue() throws -> Bool {
    let look = try statement(.comesDue)
    try look.start()
    defer { look.end() }
    look.bind(1, now)
    return try look.next() && look.integer(0) != 0
  }
}
