// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Where work is handed in: typed jobs go in, handles come out.
///
/// ```swift
/// let queue = JobQueue(store: store)
/// let handles = try await queue.enqueue(batches.map { EmbedDocuments(documents: $0) })
/// for handle in handles { _ = try await handle.value }
/// ```
public struct JobQueue: Sendable {
  /// Where the jobs are kept.
  public let store: any JobStore
  /// Jobs that may wait at most; `nil` for no limit.
  public let maximumDepth: Int?

  /// Creates a queue over a store.
  ///
  /// - Parameters:
  ///   - store: Where the jobs are kept.
  ///   - maximumDepth: Jobs that may wait before an enqueue throws; costs a count per call.
  public init(store: any JobStore, maximumDepth: Int? = nil) {
    self.store = store
    self.maximumDepth = maximumDepth
  }

  /// Hands in a job; as durable as the store promises when this returns.
  ///
  /// - Parameters:
  ///   - job: At most 64 KiB when encoded.
  ///   - options: When, where and how to run it.
  ///   - id: Give the same one again to retry after a lost answer: it is accepted once.
  /// - Returns: The handle of the job, or of the one that holds the same unique key.
  /// - Throws: ``JobError`` with code ``JobError/Code/payloadTooLarge``, ``JobError/Code/undecodable``,
  ///   ``JobError/Code/invalidOption`` or ``JobError/Code/queueFull``; or what the store throws: then it isn't queued.
  @discardableResult
  public func enqueue<Work: DurableJob>(
    _ job: Work,
    options: JobOptions = JobOptions(),
    id: JobID<Work> = JobID()
  ) async throws -> JobHandle<Work> {
    let handles = try await submit([(job, id)], options)
    guard let handle = handles.first else {
      throw JobError(.notFound, "the store gave no answer for job \(id)")
    }
    return handle
  }

  /// Hands in many jobs at once: one commit, all or none.
  ///
  /// - Parameters:
  ///   - jobs: Each at most 64 KiB when encoded.
  ///   - options: When, where and how to run them; a unique key lets only the first in.
  /// - Returns: One handle for each job, in order.
  /// - Throws: As for one job; then none is queued.
  @discardableResult
  public func enqueue<Work: DurableJob>(
    _ jobs: [Work],
    options: JobOptions = JobOptions()
  ) async throws -> [JobHandle<Work>] {
    try await submit(jobs.map { ($0, JobID()) }, options)
  }

  /// The handle of a job that was handed in earlier, perhaps by another process.
  ///
  /// - Parameter id: The job.
  /// - Returns: A handle; whether the job exists shows when it is used.
  public func handle<Work: DurableJob>(for id: JobID<Work>) -> JobHandle<Work> {
    JobHandle(id: id, store: store)
  }

  private func submit<Work: DurableJob>(
    _ jobs: [(Work, JobID<Work>)],
    _ options: JobOptions
  ) async throws -> [JobHandle<Work>] {
    guard options.maximumAttempts >= 1, options.concurrencyLimit >= 1 else {
      throw JobError(.invalidOption, "maximumAttempts and concurrencyLimit must be at least 1")
    }
    if let maximumDepth {
      let ready = try await store.observe(.init(queues: [options.queue])).ready
      guard ready + jobs.count <= maximumDepth else {
        throw JobError(
          .queueFull,
          "\(options.queue) holds \(ready) of \(maximumDepth) jobs; retry when some are done"
        )
      }
    }
    let new = try jobs.map { job, id in
      NewJob(
        id: id.raw,
        name: Work.name,
        payload: try JobCoding.encode(job, what: "job \(Work.name)"),
        options: options
      )
    }
    let outcomes = try await store.enqueue(new)
    return zip(new, outcomes).map { job, outcome in
      switch outcome {
      case .inserted: JobHandle(id: JobID(job.id), store: store)
      case .duplicate(let other): JobHandle(id: JobID(other), store: store)
      }
    }
  }
}
