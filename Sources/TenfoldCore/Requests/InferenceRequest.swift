// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// One question to something that answers.
///
/// Middlewares pass it on by value and hand over what they computed: the embedding that the semantic cache made
/// serves retrieval and routing too.
///
/// ```swift
/// let request = InferenceRequest("Does aspirin lower fever?", tenant: "acme")
/// for try await event in try await model.generate(request) { … }
/// ```
public struct InferenceRequest: Sendable {
  /// What the model is asked.
  public var prompt: InferencePrompt
  /// How the answer is sampled and where it ends.
  public var options: GenerationOptions
  /// Whose request it is and what limits it.
  public var context: RequestContext
  /// The user's question by itself, where a middleware has wrapped it into a larger prompt.
  public var question: String
  /// The embedding of ``question``, once some stage has made it.
  public var embedding: TextEmbedding?
  /// The passages that retrieval found, best first.
  public var passages: [RetrievedPassage]

  /// Creates a request from a prompt.
  ///
  /// - Parameters:
  ///   - prompt: What the model is asked.
  ///   - options: How the answer is sampled.
  ///   - context: Whose request it is.
  ///   - question: The user's question; by default the text, or the last user turn.
  public init(
    prompt: InferencePrompt,
    options: GenerationOptions = .standard,
    context: RequestContext,
    question: String? = nil
  ) {
    self.prompt = prompt
    self.options = options
    self.context = context
    self.embedding = nil
    self.passages = []
    switch prompt {
    case .text(let text): self.question = question ?? text
    case .chat(let messages): self.question = question ?? messages.last { $0.role == .user }?.content ?? ""
    }
  }

  /// Creates a request with a single user turn.
  ///
  /// - Parameters:
  ///   - question: What the user asks.
  ///   - tenant: Whose request it is.
  ///   - options: How the answer is sampled.
  public init(_ question: String, tenant: TenantID, options: GenerationOptions = .standard) {
    self.init(prompt: .chat([.user(question)]), options: options, context: RequestContext(tenant: tenant))
  }
}
