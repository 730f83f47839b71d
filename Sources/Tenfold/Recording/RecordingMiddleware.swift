// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

internal import Logging
import Metrics
public import TenfoldCore
public import TenfoldStorage

/// Keeps what requests used and asked, in a ledger and a query log, behind the reader's back.
///
/// Nothing here waits while an answer is made: what is to be kept goes into a bounded queue, and ``run()`` writes it in
/// batches. Every model call is booked when its work ends, whether its request finished, failed or was abandoned;
/// questions are kept of requests that finished.
///
/// Place it outside the caches and the coalescing, or the questions that they answer aren't kept. ``PipelineLayers`` has no
/// place for it; a pipeline is a model, so put one more around it.
///
/// **Durability.** What ``run()`` has written is as durable as the ledger and the log. What still waits in the queue is
/// lost with the process; when the task of ``run()`` is cancelled it is written first.
///
/// **What is dropped.** What comes while the queue is full, what has no tenant, and what the ledger or the log refuses with
/// `StorageError.Code.invalidOption`: each record is counted in ``droppedCount`` and in the counter
/// `tenfold_records_dropped_total`, and keeps no other record from being written.
///
/// ```swift
/// let recording = RecordingMiddleware(ledger: SQLiteUsageLedger(log: log), queries: SQLiteQueryLog(log: log))
/// let pipeline = Pipeline(model: layers.pipeline(model: model), middlewares: [recording])
/// try await recording.run()  // in the host's service group
/// ```
public final class RecordingMiddleware: InferenceMiddleware {
  /// How records are kept; every field has a default.
  public struct Options: Sendable {
    /// Calls that may wait, and as many questions, at least 1.
    public var capacity: Int
    /// How long to wait after the ledger or the log failed.
    public var retryPause: Duration
    /// What that waits on.
    public var time: TimeSource
    /// Reads the wall clock, in nanoseconds since 1970.
    public var wallClock: @Sendable () -> Int64

    /// Creates options.
    ///
    /// - Parameters:
    ///   - capacity: Calls that may wait, and as many questions.
    ///   - retryPause: How long to wait after the ledger or the log failed.
    ///   - time: What that waits on.
    ///   - wallClock: Reads the wall clock, in nanoseconds since 1970.
    public init(
      capacity: Int = 10_000,
      retryPause: Duration = .seconds(1),
      time: TimeSource = .system,
      wallClock: @escaping @Sendable () -> Int64 = { WallClock.nanoseconds() }
    ) {
      self.capacity = capacity
      self.retryPause = retryPause
      self.time = time
      self.wallClock = wallClock
    }
  }

  private let ledger: (any UsageLedger)?
  private let queries: (any QueryLog)?
  private let options: Options
  // One queue for each, so that a ledger or a log that fails holds up only its own records.
  private let calls: RecordQueue<UsageEntry>
  private let questions: RecordQueue<LoggedQuery>

  /// Creates the layer; nothing is written before ``run()``.
  ///
  /// - Parameters:
  ///   - ledger: Where model calls are booked, or `nil`.
  ///   - queries: Where questions are kept, or `nil`.
  ///   - options: How records are kept.
  public init(ledger: (any UsageLedger)?, queries: (any QueryLog)?, options: Options = Options()) {
    self.ledger = ledger
    self.queries = queries
    self.options = options
    calls = RecordQueue(capacity: options.capacity)
    questions = RecordQueue(capacity: options.capacity)
  }

  /// Calls and questions that were dropped: too many waited, they had no tenant, or they were refused.
  public var droppedCount: Int { calls.dropped + questions.dropped }

  /// Passes the request on and notes what it took when it ends.
  ///
  /// - Parameters:
  ///   - request: The request.
  ///   - next: The layers inside.
  /// - Returns: The same stream.
  /// - Throws: Whatever `next` throws.
  public func intercept(
    _ request: InferenceRequest,
    next: @escaping @Sendable (InferenceRequest) async throws -> GenerationStream
  ) async throws -> GenerationStream {
    if ledger != nil {
      let (tenant, id) = (request.context.tenant, request.context.id)
      request.context.trace.observe(by: self) { [self] entry in
        guard case .call(let call) = entry else { return }
        let entry = UsageEntry(tenant: tenant, request: id, call: call, time: options.wallClock())
        keep(entry, of: tenant, in: calls)
      }
    }
    return try await next(request).onEnd { [self] end in note(request, end) }
  }

  /// Writes records until the task is cancelled, and then those that still wait; run it once at a time.
  ///
  /// A ledger or log that fails is tried again after a pause, while the other goes on; meanwhile its queue fills. When the
  /// task is cancelled then, all that waits is tried once more.
  ///
  /// - Throws: `CancellationError`.
  public func run() async throws {
    await withTaskGroup(of: Void.self) { group in
      group.addTask { [self] in
        await write(calls, "calls") { [ledger] entries in try await ledger?.book(entries) }
      }
      group.addTask { [self] in
        await write(questions, "questions") { [queries] questions in try await queries?.record(questions) }
      }
    }
    throw CancellationError()
  }

  /// Writes the records of one kind until the task is cancelled.
  private func write<Record: Sendable>(
    _ queue: RecordQueue<Record>,
    _ kind: String,
    to destination: @Sendable ([Record]) async throws -> Void
  ) async {
    let logger = Logger(label: "tenfold.recording")
    let hints = queue.hub.stream()
    var batch: [Record] = []
    repeat {
      while true {
        // What failed is tried again alone, so that the queue's bound holds for all that waits.
        if batch.isEmpty { batch = queue.takeAll() }
        if batch.isEmpty { break }
        do { try await write(&batch, of: queue, kind, to: destination) } catch {
          logger.error(
            "\(kind) can't be written",
            metadata: ["error": "\(error)", "count": "\(batch.count)"]
          )
          if Task.isCancelled { break }
          try? await options.time.sleep(until: options.time.now + options.retryPause)
        }
      }
    } while await Self.next(hints)
    batch += queue.takeAll()
    do { try await write(&batch, of: queue, kind, to: destination) } catch {
      logger.error(
        "the last \(kind) can't be written",
        metadata: ["error": "\(error)", "count": "\(batch.count)"]
      )
    }
  }

  private static func next(_ hints: AsyncStream<Void>) async -> Bool {
    for await _ in hints { return true }
    return false
  }

  /// Writes a batch; what was written or refused is out of it, so that trying again doesn't write it twice.
  private func write<Record: Sendable>(
    _ batch: inout [Record],
    of queue: RecordQueue<Record>,
    _ kind: String,
    to destination: @Sendable ([Record]) async throws -> Void
  ) async throws {
    if batch.isEmpty { return }
    do {
      try await destination(batch)
      batch = []
    } catch let error as StorageError where error.code == .invalidOption {
      // Nothing was written. Some record is refused and will be each time: the others don't wait for it.
      var done = 0
      defer { batch.removeFirst(done) }
      for record in batch {
        do { try await destination([record]) } catch let error as StorageError
          where error.code == .invalidOption
        {
          drop(from: queue)
          Logger(label: "tenfold.recording").error(
            "one of the \(kind) was refused and is dropped",
            metadata: ["error": "\(error)"]
          )
        }
        done += 1
      }
    }
  }

  private func note(_ request: InferenceRequest, _ end: GenerationEnd) {
    guard queries != nil, case .finished(let summary) = end else { return }
    let context = request.context
    let query = LoggedQuery(
      tenant: context.tenant,
      request: context.id,
      text: request.question,
      source: summary.provenance.answeredBy.metricLabel,
      elapsed: context.trace.elapsed,
      time: options.wallClock()
    )
    keep(query, of: context.tenant, in: questions)
  }

  private func keep<Record: Sendable>(_ record: Record, of tenant: TenantID, in queue: RecordQueue<Record>) {
    // Without a tenant nobody can be billed or asked, and no ledger or log takes it.
    guard tenant != "" else { return drop(from: queue) }
    if !queue.add(record) { Self.countDropped() }
  }

  private func drop<Record: Sendable>(from queue: RecordQueue<Record>) {
    queue.countDropped()
    Self.countDropped()
  }

  private static func countDropped() { Counter(label: "tenfold_records_dropped_total").increment() }
}
