// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Which kinds of jobs a worker can run, and how.
///
/// ```swift
/// let worker = JobWorker(store: store) { handlers in
///   handlers.handle(EmbedDocuments.self) { job, context in
///     try await embedder.embed(job.documents)
///   }
///   handlers.handle(SendReport.self)  // it has a run(_:) of its own
/// }
/// ```
public struct JobHandlers: Sendable {
  typealias Handler = @Sendable (JobContext) async throws -> [UInt8]?

  private(set) var handlers: [JobName: Handler] = [:]

  /// Creates an empty set.
  public init() {}

  /// Runs jobs of a type by their own ``DurableJob/run(_:)``.
  ///
  /// - Parameter type: The kind of job.
  public mutating func handle<Work: DurableJob>(_ type: Work.Type) {
    handle(type) { job, context in try await job.run(context) }
  }

  /// Runs jobs of a type by a closure, which can hold what the work needs.
  ///
  /// - Parameters:
  ///   - type: The kind of job.
  ///   - body: Does the work; its result is kept as the job's output.
  @_disfavoredOverload  // a closure that returns nothing is meant for the variant without output
  public mutating func handle<Work: DurableJob>(
    _ type: Work.Type,
    with body: @escaping @Sendable (Work, JobContext) async throws -> Work.Output
  ) {
    let coding = JobCoding()
    handlers[Work.name] = { context in
      let job = try coding.decode(
        Work.self,
        from: context.lease.payload,
        what: "the payload of job \(context.id)"
      )
      let output = try await body(job, context)
      return Work.Output.self == NoOutput.self
        ? nil : try coding.encode(output, what: "the output of job \(context.id)")
    }
  }

  /// Runs jobs without output by a closure, which can hold what the work needs.
  ///
  /// - Parameters:
  ///   - type: The kind of job.
  ///   - body: Does the work.
  public mutating func handle<Work: DurableJob>(
    _ type: Work.Type,
    with body: @escaping @Sendable (Work, JobContext) async throws -> Void
  ) where Work.Output == NoOutput {
    handle(type) { job, context -> NoOutput in
      try await body(job, context)
      return NoOutput()
    }
  }

  /// Runs jobs of a type many at a time: a model that embeds 64 texts in one call serves 64 jobs with it.
  ///
  /// Jobs that the worker runs at the same time are gathered, so its `concurrency` should be at least `upTo`. Each job
  /// keeps its own lease, attempts and output.
  ///
  /// When the call throws, each of its jobs has failed with that error, and has used up an attempt. A job that failed
  /// before, or whose worker was lost, comes in a call of its own: so one that fails every call takes no other with it to
  /// the dead letters. Where the work tells which jobs failed, use ``handleEach(_:upTo:with:)``.
  ///
  /// ```swift
  /// handlers.handle(EmbedText.self, upTo: 64) { batch in
  ///   try await embedder.embed(batch.map(\.job.text))
  /// }
  /// ```
  ///
  /// - Parameters:
  ///   - type: The kind of job.
  ///   - upTo: Jobs in one call at most.
  ///   - body: Does the work; gives one output for each job, in order.
  public mutating func handle<Work: DurableJob>(
    _ type: Work.Type,
    upTo: Int,
    with body: @escaping @Sendable ([(job: Work, context: JobContext)]) async throws -> [Work.Output]
  ) {
    handleEach(type, upTo: upTo) { batch in try await body(batch).map { .success($0) } }
  }

  /// Runs jobs of a type many at a time, where each of them can fail alone.
  ///
  /// As ``handle(_:upTo:with:)``, but the call gives a result for each job. A job whose result is a failure is settled as
  /// if it had thrown that error alone: it is retried, becomes a dead letter, or does what a ``JobDisposition`` says. The
  /// others are done. When the call itself throws, all of its jobs have failed.
  ///
  /// ```swift
  /// handlers.handleEach(EmbedText.self, upTo: 64) { batch in
  ///   try await service.embed(batch.map(\.job.text)).map { answer in
  ///     answer.vector.map { .success($0) } ?? .failure(JobDisposition.discard(answer.refusal))
  ///   }
  /// }
  /// ```
  ///
  /// - Parameters:
  ///   - type: The kind of job.
  ///   - upTo: Jobs in one call at most.
  ///   - body: Does the work; gives one result for each job, in order.
  public mutating func handleEach<Work: DurableJob>(
    _ type: Work.Type,
    upTo: Int,
    with body:
      @escaping @Sendable ([(job: Work, context: JobContext)]) async throws -> [Result<
        Work.Output, any Error
      >]
  ) {
    let batcher = JobBatcher(maximum: upTo, body: body)
    handle(type) { job, context -> Work.Output in try await batcher.run(job, context) }
  }
}
