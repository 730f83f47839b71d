// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// Finds passages for each question and builds the prompt from them.
///
/// The embedding that an earlier stage made is used and handed on; with an embedder of its own the middleware makes it
/// where it is missing, so that later stages find it. Writes the stage `retrieval`. An answer from a partial result is
/// marked as ``Provenance/isCurtailed``.
///
/// ```swift
/// let middleware = try RetrievalMiddleware(retriever: index.retriever(), access: .everyDocument)
/// ```
public struct RetrievalMiddleware: InferenceMiddleware {
  /// What is found and how the prompt is made; every field has a default.
  public struct Options: Sendable {
    /// How many passages are looked for, in 1...10,000.
    public var limit: Int
    /// How question and passages become a prompt.
    public var template: PromptTemplate

    /// Creates options.
    ///
    /// - Parameters:
    ///   - limit: How many passages are looked for, in 1...10,000.
    ///   - template: How question and passages become a prompt.
    public init(limit: Int = 5, template: PromptTemplate = .numberedPassages()) {
      self.limit = limit
      self.template = template
    }
  }

  private let retriever: any Retriever
  private let embedder: (any TextEmbedder)?
  private let options: Options
  private let access: DocumentAccess

  /// Creates a middleware.
  ///
  /// - Parameters:
  ///   - retriever: Finds the passages.
  ///   - embedder: Makes the embedding of questions that come without one; `nil` leaves that to the retriever.
  ///   - access: Which documents a request may see. There is no default: whether tenants share the collection is for the
  ///     host to say.
  ///   - options: What is found and how the prompt is made.
  /// - Throws: ``RetrievalError`` with code ``RetrievalError/Code/invalidOption``.
  public init(
    retriever: any Retriever,
    embedder: (any TextEmbedder)? = nil,
    access: DocumentAccess,
    options: Options = Options()
  ) throws(RetrievalError) {
    guard (1...RetrievalQuery.maximumLimit).contains(options.limit) else {
      throw RetrievalError(
        .invalidOption,
        "limit is \(options.limit); it must be in 1...\(RetrievalQuery.maximumLimit)"
      )
    }
    self.retriever = retriever
    self.embedder = embedder
    self.options = options
    self.access = access
  }

  /// Adds passages to a request and passes it on.
  ///
  /// - Parameters:
  ///   - request: The request; its question is what is looked for.
  ///   - next: The layers inside.
  /// - Returns: What `next` returns.
  /// - Throws: What the retriever, the embedder or `next` throws; `RequestError` with code `deadlineExceeded` when the
  ///   deadline passes before the passages are found, even if the retriever hangs.
  public func intercept(
    _ request: InferenceRequest,
    next: @escaping @Sendable (InferenceRequest) async throws -> GenerationStream
  ) async throws -> GenerationStream {
    let trace = request.context.trace
    let (augmented, isPartial) = try await trace.measure("retrieval") { line in
      let earlier = trace.stages.count
      let found = try await request.context.beforeDeadline("retrieval") { [self] in try await find(request) }
      var augmented = found.request
      let result = found.result
      augmented.passages = result.passages
      augmented.prompt = options.template.render(augmented, result.passages)
      // The parts' times are included in the whole's.
      for part in trace.stages.dropFirst(earlier) where part.stage.hasPrefix("retrieval.") {
        line.cpuTime += part.cpuTime
        line.memoryBytes += part.memoryBytes
      }
      line.note =
        "\(result.passages.count) passages by \(result.answeredBy)" + (result.isPartial ? ", partial" : "")
      return (augmented, result.isPartial)
    }
    let stream = try await next(augmented)
    return isPartial ? stream.curtailed() : stream
  }

  /// The request with its embedding, and what was found for it.
  private func find(
    _ request: InferenceRequest
  ) async throws -> (request: InferenceRequest, result: RetrievalResult) {
    var request = request
    let trace = request.context.trace
    let isBlank = request.question.allSatisfy(\.isWhitespace)
    if let embedder, !isBlank, request.embedding?.embedder != embedder.profile {
      let question = request.question
      request.embedding = try await trace.measure("retrieval.embedding") { _ in
        try await embedder.embed(question)
      }
    }
    let query = try RetrievalQuery(
      request.question,
      embedding: request.embedding,
      limit: options.limit,
      allowedDocuments: try await access.allowed(request),
      trace: trace
    )
    return (request, try await retriever.retrieve(query))
  }
}
