// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// A model with a stack of middlewares before it: again a model.
///
/// The first middleware is the outermost: it sees a request first and its stream last. Each layer is optional, so each
/// technique can be switched off, and measured, by leaving its layer out.
///
/// A request ends at its deadline, also when the model, the embedder or the retriever hangs and doesn't listen to
/// cancellation: with ``/TenfoldCore/RequestError`` and code `deadlineExceeded`, after the texts that came in time. A
/// model that ends its answer at the deadline by itself, as `LocalLanguageModel` does, gets ``deadlineGrace`` for that.
///
/// ```swift
/// let pipeline = Pipeline(
///   model: RoutedModel(…),
///   middlewares: [ObservationMiddleware(), AdmissionMiddleware(…), ExactCacheMiddleware(…), RetrievalMiddleware(…)]
/// )
/// let answer = try await pipeline.respond(to: InferenceRequest("What is BM25?", tenant: "acme"))
/// ```
public struct Pipeline: LanguageModel {
  /// The model that answers what no middleware does.
  public let model: any LanguageModel
  /// The layers before it, outermost first.
  public let middlewares: [any InferenceMiddleware]
  /// How long after the deadline a model may still end its answer by itself.
  public let deadlineGrace: Duration

  /// Creates a pipeline.
  ///
  /// - Parameters:
  ///   - model: The model that answers what no middleware does.
  ///   - middlewares: The layers before it, outermost first.
  ///   - deadlineGrace: How long after the deadline a model may still end its answer by itself; long enough for one pass
  ///     of an engine.
  public init(
    model: any LanguageModel,
    middlewares: [any InferenceMiddleware] = [],
    deadlineGrace: Duration = .milliseconds(250)
  ) {
    self.model = model
    self.middlewares = middlewares
    self.deadlineGrace = max(.zero, deadlineGrace)
  }

  /// The innermost model's profile.
  public var profile: ModelProfile { model.profile }

  /// Sends a request through the layers.
  ///
  /// - Parameter request: The question, its options and its context.
  /// - Returns: The answer as it is made.
  /// - Throws: ``/TenfoldCore/RequestError`` with code `emptyRequest` for a request without text, and
  ///   `deadlineExceeded` for one that arrives too late; else whatever a layer or the model throws.
  public func generate(_ request: InferenceRequest) async throws -> GenerationStream {
    let isEmpty =
      switch request.prompt {
      case .text(let text): text.isEmpty
      case .chat(let messages): messages.allSatisfy(\.content.isEmpty)
      }
    guard !isEmpty else {
      throw RequestError(.emptyRequest, "The request holds no text; give it a question.")
    }
    if let deadline = request.context.deadline, deadline <= request.context.trace.time.now {
      throw RequestError(.deadlineExceeded, "The request's deadline had passed when it arrived.")
    }
    return try await call(middlewares[...], request)
  }

  private func call(
    _ middlewares: ArraySlice<any InferenceMiddleware>,
    _ request: InferenceRequest
  ) async throws -> GenerationStream {
    guard let first = middlewares.first else { return try await ask(request) }
    let rest = middlewares.dropFirst()
    return try await first.intercept(request) { try await call(rest, $0) }
  }

  /// Asks the model, which may hang: the innermost place, so that every layer sees the failure.
  private func ask(_ request: InferenceRequest) async throws -> GenerationStream {
    let limits = GenerationStream.TimeLimits(
      deadline: request.context.deadline?.advanced(by: deadlineGrace),
      subject: "the model's answer"
    )
    return try await GenerationStream.opening(within: limits, time: request.context.trace.time) { [model] in
      try await model.generate(request)
    }
  }
}
