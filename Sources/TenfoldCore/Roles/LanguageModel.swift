// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Something that answers.
///
/// A routed, cascaded, replicated, cached or retried model is again a `LanguageModel`, and so is a whole pipeline.
/// Every implementation passes `LanguageModelContract` of `TenfoldTesting`.
///
/// ```swift
/// let completion = try await model.respond(to: InferenceRequest("What is BM25?", tenant: "acme"))
/// print(completion.text)
/// ```
public protocol LanguageModel: Sendable {
  /// What is known of the model without asking it.
  var profile: ModelProfile { get }

  /// Starts answering a request.
  ///
  /// The call returns when the work is accepted; texts follow as they are made. Dropping the stream, or cancelling the
  /// task that reads it, stops the work.
  ///
  /// - Parameter request: The question, its options and its context.
  /// - Returns: The answer as it is made, ending with one summary.
  /// - Throws: ``RequestError`` when the request is refused; a model's own error when it can't be started.
  func generate(_ request: InferenceRequest) async throws -> GenerationStream
}

extension LanguageModel {
  /// Answers a request in one piece.
  ///
  /// - Parameter request: The question, its options and its context.
  /// - Returns: The whole answer.
  /// - Throws: Whatever ``generate(_:)`` or its stream throws.
  public func respond(to request: InferenceRequest) async throws -> Completion {
    try await generate(request).collect()
  }
}
