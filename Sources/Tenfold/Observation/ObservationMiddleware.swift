// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import Logging
import Metrics
public import TenfoldCore
import Tracing

/// Watches requests from outside all other layers: spans, metrics, log lines, costs, and the bottleneck report.
///
/// It completes each summary's provenance with the stages of the whole way. Nothing here waits or allocates more than a
/// few hundred bytes a request; errors and abandoned requests are counted too. Costs and tokens are booked when the stage
/// or the model's work ends, so also what an answer cost whose reader had left.
///
/// Metrics: counter `tenfold_requests_total` by outcome and source; timers `tenfold_request_seconds`,
/// `tenfold_time_to_first_token_seconds`; counter `tenfold_tokens_total` by model and kind.
public struct ObservationMiddleware: InferenceMiddleware {
  /// Where costs are booked, or `nil`.
  public let costBook: CostBook?
  /// Where stages are collected, or `nil`.
  public let stages: StageCollector?
  private let logger: Logger?
  /// Stands for the layer, and all its copies, in a request's trace.
  private let identity = Identity()

  private final class Identity: Sendable {}

  /// Creates the layer.
  ///
  /// - Parameters:
  ///   - costBook: Where costs are booked.
  ///   - stages: Where stages are collected for a ``BottleneckReport``.
  ///   - logger: Gets one line a request at debug level, and one a failure at warning level.
  public init(costBook: CostBook? = nil, stages: StageCollector? = nil, logger: Logger? = nil) {
    self.costBook = costBook
    self.stages = stages
    self.logger = logger
  }

  /// Passes the request on and watches its stream.
  ///
  /// - Parameters:
  ///   - request: The request.
  ///   - next: The layers inside.
  /// - Returns: The same stream, with the provenance completed.
  /// - Throws: Whatever `next` throws.
  public func intercept(
    _ request: InferenceRequest,
    next: @escaping @Sendable (InferenceRequest) async throws -> GenerationStream
  ) async throws -> GenerationStream {
    let context = request.context
    let span = startSpan("tenfold.generate", ofKind: .internal)
    span.attributes["tenfold.tenant"] = context.tenant.rawValue
    span.attributes["tenfold.request"] = context.id.rawValue
    context.trace.observe(by: identity) { [costBook, tenant = context.tenant] entry in
      RequestWatch.book(entry, tenant: tenant, in: costBook)
    }
    let watch = RequestWatch(context: context, span: span, stages: stages, logger: logger)
    do {
      return try await ServiceContext.withValue(span.context) { try await next(request) }
        .mapEvents { event in
          guard case .finished(var summary) = event else { return event }
          summary.provenance.stages = context.trace.stages
          let calls = context.trace.modelCalls
          if !calls.isEmpty { summary.provenance.modelCalls = calls }
          summary.provenance.cost = context.trace.cost
          return .finished(summary)
        }
        .onEnd { watch.end($0) }
    } catch {
      watch.end(error is CancellationError ? .abandoned : .failed(error))
      throw error
    }
  }
}
