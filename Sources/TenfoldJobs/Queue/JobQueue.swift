// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

internal import Metrics
import TenfoldStorage
public import Tracing

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
  /// Jobs that may wait in one queue at most; `nil` for no limit.
  public let maximumDepth: Int?
  /// What an enqueue does when its queue is full.
  public let whenFull: WhenFull
  private let tracing: JobTracing
  private let counters: EnqueueCounters

  /// What an enqueue does when its queue is full.
  public struct WhenFull: Hashable, Sendable {
    private let name: String

    /// Throws ``JobError/Code/queueFull`` at once.
    public static let refuse = Self(name: "refuse")
    /// Waits until there is room: producers go no faster than workers.
    ///
    /// It wakes when jobs are handed out or end; where other processes may do that (``JobStore/isShared``) it also looks
    /// twice a second. Cancelling the task ends the waiting.
    public static let wait = Self(name: "wait")
  }

  /// Creates a queue over a store.
  ///
  /// - Parameters:
  ///   - store: Where the jobs are kept.
  ///   - maximumDepth: Jobs that may wait in one queue, at least 1; the store checks it together with the enqueue, so several
  ///     producers can't exceed it together.
  ///   - whenFull: What an enqueue does when its queue is full.
  ///   - tracer: What knows how to write down the trace of the task that enqueues, which ``JobOptions/trace`` carries to the
  ///     worker; `nil` for the system's.
  public init(
    store: any JobStore,
    maximumDepth: Int? = nil,
    whenFull: WhenFull = .refuse,
    tracer: (any Tracer)? = nil
  ) {
    self.init(
      store: store,
      maximumDepth: maximumDepth,
      whenFull: whenFull,
      tracer: tracer,
      metrics: MetricsSystem.factory
    )
  }

  init(
    store: any JobStore,
    maximumDepth: Int? = nil,
    whenFull: WhenFull = .refuse,
    tracer: (any Tracer)? = nil,
    metrics: any MetricsFactory
  ) {
    self.store = store
    self.maximumDepth = maximumDepth
    self.whenFull = whenFull
    tracing = JobTracing(tracer: tracer)
    counters = EnqueueCounters(metrics)
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
  ///   - options: When, where and how to run them; a unique key lets only the first in, of whichever tenant.
  /// - Returns: One handle for each job, in order.
  /// - Throws: As for one job; then none is queued. More jobs than ``maximumDepth`` allows never fit, so they are refused
  ///   with ``JobError/Code/invalidOption``, however ``whenFull`` is set.
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
    try options.validate()
    try JobError.require(maximumDepth ?? 1 >= 1, "maximumDepth", "at least 1")
    let coding = JobCoding()
    let options = tracing.carrying(options)
    let new = try jobs.map { job, id in
      NewJob(
        id: id.raw,
        name: Work.name,
        payload: try coding.encode(job, what: "job \(Work.name)"),
        options: options,
        depthLimit: maximumDepth
      )
    }
    let outcomes = try await handIn(new)
    return zip(new, outcomes).map { job, outcome in
      switch outcome {
      case .inserted: JobHandle(id: JobID(job.id), store: store)
      case .duplicate(let other): JobHandle(id: JobID(other), store: store)
      }
    }
  }

  /// Hands in jobs that have options of their own: one commit, or several small ones into a queue with a
  /// ``maximumDepth``, which has room for few more often than for many; then one by one.
  func enqueue<Work: DurableJob>(_ jobs: [(job: Work, options: JobOptions)]) async throws {
    try JobError.require(maximumDepth ?? 1 >= 1, "maximumDepth", "at least 1")
    let coding = JobCoding()
    let new = try jobs.map { job, options in
      try options.validate()
      return NewJob(
        name: Work.name,
        payload: try coding.encode(job, what: "job \(Work.name)"),
        options: tracing.carrying(options),
        depthLimit: maximumDepth
      )
    }
    let size = maximumDepth.map { max(1, $0 / 8) } ?? .max
    var begin = 0
    while begin < new.count {
      let end = begin + min(size, new.count - begin)
      do {
        _ = try await handIn(Array(new[begin..<end]))
      } catch let error as JobError where error.code == .queueFull && end - begin > 1 {
        for job in new[begin..<end] { _ = try await handIn([job]) }
      }
      begin = end
    }
  }

  private func handIn(_ new: [NewJob]) async throws -> [EnqueueOutcome] {
    let outcomes = try await whenRoom { try await store.enqueue(new) }
    counters.count(outcomes)
    return outcomes
  }

  /// Hands in when there is room, as ``whenFull`` says.
  private func whenRoom(_ submit: () async throws -> [EnqueueOutcome]) async throws -> [EnqueueOutcome] {
    guard whenFull == .wait, maximumDepth != nil else { return try await submit() }
    while true {
      // The hints come first, so that no change between a refusal and the waiting is missed.
      let room = RoomHints(store: store)
      do { return try await submit() } catch let error as JobError where error.code == .queueFull {
        try await room.next()
      }
    }
  }
}

/// What a producer waits for when its queue is full.
private struct RoomHints {
  /// Room that this process's own store object makes.
  private let room: AsyncStream<Void>?
  private let wakeups: AsyncStream<JobWakeup>?
  /// Whether room may come without a hint.
  private let polls: Bool

  init(store: any JobStore) {
    let hints = (store as? any HintingJobStore)?.room
    room = hints?.stream()
    wakeups = hints == nil ? store.wakeups : nil
    // Other processes give no hints, and a store of the host's may give none when it hands out.
    polls = store.isShared || hints == nil
  }

  /// Waits for room, or half a second where it may come without a hint.
  func next() async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      if let room { group.addTask { for await _ in room { return } } }
      if let wakeups { group.addTask { for await _ in wakeups { return } } }
      if polls { group.addTask { try await Task.sleep(for: .milliseconds(500)) } }
      defer { group.cancelAll() }
      try await group.next()
    }
    try Task.checkCancellation()
  }
}
