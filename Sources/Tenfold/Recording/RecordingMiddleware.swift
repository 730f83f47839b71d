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
/// **Durability.** What ``run()`` has written is as durable as the ledger and the log. What still waits in the queue is
/// lost with the process; when the task of ``run()`` is cancelled it is written first. A full queue drops what comes and
/// counts it: ``droppedCount``, and the counter `tenfold_records_dropped_total`.
///
/// ```swift
/// let recording = RecordingMiddleware(ledger: SQLiteUsageLedger(log: log), queries: SQLiteQueryLog(log: log))
/// let pipeline = Pipeline(model: model, middlewares: [recording])
/// try await recording.run()  // in the host's service group
/// ```
public final class RecordingMiddleware: InferenceMiddleware {
  /// How records are kept; every field has a default.
  public struct Options: Sendable {
    /// Records, calls and questions, that may wait, at least 1.
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
    ///   - capacity: Records, calls and questions, that may wait.
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
  private let queue: RecordQueue

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
    queue = RecordQueue(capacity: options.capacity)
  }

  /// Records that were dropped because too many waited.
  public var droppedCount: Int { queue.dropped }

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
        keep(Records(usage: [entry]))
      }
    }
    return try await next(request).onEnd { [self] end in note(request, end) }
  }

  /// Writes records until the task is cancelled, and then those that still wait; run it once at a time.
  ///
  /// A ledger or log that fails is tried again after a pause; meanwhile the queue fills.
  ///
  /// - Throws: `CancellationError`.
  public func run() async throws {
    let logger = Logger(label: "tenfold.recording")
    let hints = queue.hub.stream()
    var batch = Records()
    repeat {
      while true {
        // What failed is tried again alone, so that the queue's bound holds for all that waits.
        if batch.isEmpty { batch = queue.takeAll() }
        if batch.isEmpty { break }
        do { try await write(&batch) } catch {
          logger.error(
            "records can't be written",
            metadata: ["error": "\(error)", "calls": "\(batch.usage.count)"]
          )
          if Task.isCancelled { throw CancellationError() }
          try? await options.time.sleep(until: options.time.now + options.retryPause)
        }
      }
    } while await Self.next(hints)
    batch.add(queue.takeAll())
    do { try await write(&batch) } catch {
      logger.error("the last records can't be written", metadata: ["error": "\(error)"])
    }
    throw CancellationError()
  }

  private static func next(_ hints: AsyncStream<Void>) async -> Bool {
    for await _ in hints { return true }
    return false
  }

  /// Writes a batch; what was written is out of it, so that trying again doesn't write it twice.
  private func write(_ batch: inout Records) async throws {
    if let ledger { try await ledger.book(batch.usage) }
    batch.usage = []
    if let queries { try await queries.record(batch.queries) }
    batch.queries = []
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
    keep(Records(queries: [query]))
  }

  private func keep(_ records: Records) {
    if !queue.add(records) { Counter(label: "tenfold_records_dropped_total").increment() }
  }
}
