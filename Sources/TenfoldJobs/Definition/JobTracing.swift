// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Tracing

/// Carries the trace of whoever enqueues a job to its runs, in the tracing system's own fields, such as `traceparent`.
///
/// A run is a trace of its own that links to where it came from: it may begin hours later, and again after a failure.
struct JobTracing: Sendable {
  /// `nil` for the system's.
  let tracer: (any Tracer)?

  private struct Fields: Injector, Extractor {
    func inject(_ value: String, forKey key: String, into carrier: inout [String: String]) {
      carrier[key] = value
    }

    func extract(key: String, from carrier: [String: String]) -> String? { carrier[key] }
  }

  /// Options with the fields of the current task's trace, unless they have some.
  func carrying(_ options: JobOptions) -> JobOptions {
    guard options.trace.isEmpty, let context = ServiceContext.current else { return options }
    var carrying = options
    let instrument: any Instrument = tracer ?? InstrumentationSystem.instrument
    instrument.inject(context, into: &carrying.trace, using: Fields())
    return carrying
  }

  /// Runs a job within a span; `isFailure` says whether one that threw has failed, or only leaves to come again.
  func run<Result>(
    _ lease: JobLease,
    isFailure: (any Error) -> Bool,
    _ body: () async throws -> Result
  ) async throws -> Result {
    let tracer = tracer ?? InstrumentationSystem.tracer
    if tracer is NoOpTracer { return try await body() }
    let span = tracer.startAnySpan("tenfold.job", context: .topLevel, ofKind: .consumer)
    defer { span.end() }
    span.attributes["tenfold.job"] = lease.name.description
    span.attributes["tenfold.job.id"] = "\(lease.reference.id)"
    span.attributes["tenfold.job.attempt"] = lease.attempt
    if !lease.trace.isEmpty {
      var origin = ServiceContext.topLevel
      tracer.extract(lease.trace, into: &origin, using: Fields())
      span.addLink(SpanLink(context: origin, attributes: [:]))
    }
    do {
      return try await ServiceContext.withValue(span.context) { try await body() }
    } catch {
      guard isFailure(error) else { throw error }
      span.recordError(error)
      span.setStatus(SpanStatus(code: .error))
      throw error
    }
  }
}
