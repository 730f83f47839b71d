// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// A language model that answers by a rule, for tests of what stands around a model.
///
/// ```swift
/// let model = ScriptedLanguageModel { request in .text("You asked: \(request.question)") }
/// ```
public final class ScriptedLanguageModel: LanguageModel {
  /// What the model does with a request.
  public enum Script: Sendable {
    /// Answers with this text, word by word.
    case text(String)
    /// Fails before the first word.
    case failure(any Error)
    /// Says the first text, then fails.
    case failureAfter(String, any Error)
    /// Says nothing until the reader leaves.
    case hang
  }

  /// What is known of the model without asking it.
  public let profile: ModelProfile
  private let script: @Sendable (InferenceRequest) async throws -> Script
  private let calls = WatchedState<[InferenceRequest]>([])
  private let open = WatchedState(0)

  /// Creates a model.
  ///
  /// - Parameters:
  ///   - profile: What it says of itself.
  ///   - script: What it does with each request; may wait on something that the test controls.
  public init(
    profile: ModelProfile = ModelProfile(id: "scripted", contextLength: 4096),
    script: @escaping @Sendable (InferenceRequest) async throws -> Script
  ) {
    self.profile = profile
    self.script = script
  }

  /// The requests seen so far.
  public var requests: [InferenceRequest] { calls.withLock { $0 } }

  /// How many answers are being made right now.
  public var openStreams: Int { open.withLock { $0 } }

  /// Waits until the model has seen so many requests, or more; cancelling the waiting task ends the wait.
  ///
  /// - Parameter count: How many.
  public func waitForRequests(_ count: Int = 1) async { await calls.wait { $0.count >= count } }

  /// Waits until exactly so many answers are being made; cancelling the waiting task ends the wait.
  ///
  /// - Parameter count: How many.
  public func waitForOpenStreams(_ count: Int) async { await open.wait { $0 == count } }

  /// Answers a request by the script.
  ///
  /// - Parameter request: The request.
  /// - Returns: The scripted answer.
  /// - Throws: The scripted failure.
  public func generate(_ request: InferenceRequest) async throws -> GenerationStream {
    calls.withLock { $0.append(request) }
    let script = try await script(request)
    if case .failure(let error) = script { throw error }
    let profile = profile
    open.withLock { $0 += 1 }
    return GenerationStream { continuation in
      defer { self.open.withLock { $0 -= 1 } }
      // A word is a token here, and the request's limit is kept like a real model's.
      func say(_ text: String) -> Int {
        let words = text.split(separator: " ", omittingEmptySubsequences: false).prefix(
          request.options.maxTokens
        )
        for (index, word) in words.enumerated() {
          continuation.yield(.text(index == 0 ? String(word) : " " + word))
        }
        return words.count
      }
      switch script {
      case .failure(let error): throw error
      case .failureAfter(let text, let error):
        _ = say(text)
        throw error
      case .hang:
        try await waitForCancellation()
      case .text(let text):
        let count = say(text)
        let isCut = text.split(separator: " ", omittingEmptySubsequences: false).count > count
        let usage = TokenUsage(
          promptTokens: request.question.split(separator: " ").count,
          completionTokens: count
        )
        let cost = profile.price.cost(of: usage)
        let call = ModelCall(model: profile.id, tier: profile.tier, usage: usage, cost: cost)
        request.context.trace.record(call)
        continuation.yield(
          .finished(
            GenerationSummary(
              reason: isCut ? .maxTokens : .endOfText,
              usage: usage,
              provenance: Provenance(
                answeredBy: .model(id: profile.id, tier: profile.tier),
                modelCalls: [call],
                documents: request.passages.map(\.document),
                cost: cost
              ),
              choiceProbabilities: request.options.choices.isEmpty
                ? [] : request.options.choices.map { $0 == text ? 1 : 0 }
            )
          )
        )
      }
    }
  }
}
