// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Logging
import Metrics
import TenfoldCore
import Tracing

/// What is known of one request under way, and what happens when it ends.
struct RequestWatch: Sendable {
  let context: RequestContext
  let span: any Span
  let stages: StageCollector?
  let logger: Logger?

  /// Books what was written into the trace, when it is written.
  static func book(_ entry: RequestTrace.Entry, tenant: TenantID, in costBook: CostBook?) {
    switch entry {
    case .stage(let stage): costBook?.book(stage, tenant: tenant)
    case .call(let call):
      costBook?.book(call, tenant: tenant)
      Counter(label: "tenfold_tokens_total", dimensions: [("model", call.model), ("kind", "prompt")])
        .increment(by: call.usage.promptTokens)
      Counter(label: "tenfold_tokens_total", dimensions: [("model", call.model), ("kind", "completion")])
        .increment(by: call.usage.completionTokens)
    }
  }

  func end(_ end: GenerationEnd) {
    let elapsed = context.trace.elapsed
    var outcome = "abandoned"
    var source = "none"
    switch end {
    case .abandoned: break
    case .failed(let error):
      outcome = "failed"
      span.recordError(error)
      span.setStatus(.init(code: .error))
      logger?.warning("request failed", metadata: metadata(elapsed, ["error": "\(error)"]))
    case .finished(let summary):
      outcome = "finished"
      source = summary.provenance.answeredBy.metricLabel
      stages?.add(context.trace.stages, elapsed: elapsed)
      Timer(label: "tenfold_time_to_first_token_seconds").recordSeconds(
        summary.usage.timeToFirstToken.inSeconds
      )
      logger?.debug(
        "request finished",
        metadata: metadata(elapsed, ["source": "\(source)", "cost": "\(summary.provenance.cost)"])
      )
    }
    Counter(label: "tenfold_requests_total", dimensions: [("outcome", outcome), ("source", source)])
      .increment()
    Timer(label: "tenfold_request_seconds").recordSeconds(elapsed.inSeconds)
    span.attributes["tenfold.outcome"] = outcome
    span.attributes["tenfold.source"] = source
    span.end()
  }

  private func metadata(_ elapsed: Duration, _ more: Logger.Metadata) -> Logger.Metadata {
    more.merging(["request": "\(context.id)", "tenant": "\(context.tenant)", "elapsed": "\(elapsed)"]) { $1 }
  }
}

extension AnswerSource {
  /// A short name with few values, as metrics want it.
  var metricLabel: String {
    switch self {
    case .model(_, let tier): "model_\(tier.name)"
    case .exactCache: "exact_cache"
    case .semanticCache: "semantic_cache"
    case .coalesced: "coalesced"
    }
  }
}

extension RequestTrace {
  /// The cost of the stages and model calls so far.
  var cost: Money {
    let stages = stages.reduce(Money.zero) { $0 + $1.cost }
    return modelCalls.reduce(stages) { $0 + $1.cost }
  }
}
