// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// Finds passages for each question and builds the prompt from them.
///
/// The embedding that an earlier stage made is used and handed on; with an embedder of its own the middleware makes it
/// where it is missing, so that later stages find it. Writes the stage `retrieval`.
///
/// ```swift
/// let middleware = try RetrievalMiddleware(retriever: index.retriever(), options: .init(limit: 5))
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
  private let allowedDocuments: @Sendable (InferenceRequest) async throws -> Set<DocumentID>?

  /// Creates a middleware.
  ///
  /// - Parameters:
  ///   - retriever: Finds the passages.
  ///   - embedder: Makes the embedding of questions that come without one; `nil` leaves that to the retriever.
  ///   - options: What is found and how the prompt is made.
  ///   - allowedDocuments: Which documents a request may see, or `nil` for all: here a host keeps one tenant's
  ///     documents from another.
  /// - Throws: ``RetrievalError`` with code ``RetrievalError/Code/invalidOption``.
  public init(
    retriever: any Retriever,
    embedder: (any TextEmbedder)? = nil,
    options: Options = Options(),
    allowedDocuments: @escaping @Sendable (InferenceRequest) async throws -> Set<DocumentID>? = { _ in nil }
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
    self.allowedDocuments = allowedDocuments
  }

  /// Adds passages to a request and passes it on.
  ///
  /// - Parameters:
  ///   - request: The request; its question is what is looked for.
  ///   - next: The layers inside.
  /// - Returns: What `next` returns.
  /// - Throws: What the retriever, the embedder or `next` throws.
  public func intercept(
    _ request: InferenceRequest,
    next: @escaping @Sendable (InferenceRequest) async throws -> GenerationStream
  ) async throws -> GenerationStream {
    let trace = request.context.trace
    let augmented = try await trace.measure("retrieval") { line in
      let earlier = trace.stages.count
      var request = request
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
        allowedDocuments: try await allowedDocuments(request),
        trace: trace
      )
      let result = try await retriever.retrieve(query)
      request.passages = result.passages
      request.prompt = options.template.render(request, result.passages)
      // The parts' times are included in the whole's.
      for part in trace.stages.dropFirst(earlier) where part.stage.hasPrefix("retrieval.") {
        line.cpuTime += part.cpuTime
        line.memoryBytes += part.memoryBytes
      }
      line.note =
        "\(result.passages.count) passages by \(result.answeredBy)" + (result.isPartial ? ", partial" : "")
      return request
    }
    return try await next(augmented)
  }
}
