// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// Asks a small model first and a large one only when the small one's answer is not sure enough: again a model.
///
/// The small answer is made completely before anything is delivered, because its confidence decides; the large model's
/// answer is streamed. Both calls are noted in the request's trace. A request whose deadline or cost ceiling leaves no
/// room for the large model gets the small answer.
///
/// ```swift
/// let model = CascadeModel(small: small, large: large, confidence: MarginConfidence(), threshold: 0.8)
/// ```
public struct CascadeModel: LanguageModel {
  /// The model that is asked first.
  public let small: any LanguageModel
  /// The model that is asked when the small one is not sure.
  public let large: any LanguageModel
  /// What judges the small answer.
  public let confidence: any CompletionConfidence
  /// The small answer is delivered at or above this confidence, in 0...1.
  public let threshold: Double
  private let id: String

  /// Creates a cascade.
  ///
  /// - Parameters:
  ///   - small: The model that is asked first.
  ///   - large: The model that is asked when the small one is not sure.
  ///   - confidence: What judges the small answer.
  ///   - threshold: The small answer is delivered at or above this confidence; 0 always delivers it.
  ///   - id: The cascade's own name; by default made of both models'.
  public init(
    small: any LanguageModel,
    large: any LanguageModel,
    confidence: any CompletionConfidence,
    threshold: Double = 0.8,
    id: String? = nil
  ) {
    self.small = small
    self.large = large
    self.confidence = confidence
    self.threshold = threshold
    self.id = id ?? "cascade(\(small.profile.id),\(large.profile.id))"
  }

  /// The small model's tier and price, under the cascade's own name: it is what usually answers.
  public var profile: ModelProfile {
    var profile = small.profile
    profile.id = id
    profile.revision = "\(small.profile.revision),\(large.profile.revision),\(threshold)"
    profile.contextLength = min(profile.contextLength, large.profile.contextLength)
    return profile
  }

  /// Answers with the small model, or with the large one where that is not sure enough.
  ///
  /// - Parameter request: The request.
  /// - Returns: The answer.
  /// - Throws: The large model's error; the small one's only when the large one can't be asked. A failing judge counts as
  ///   no confidence.
  public func generate(_ request: InferenceRequest) async throws -> GenerationStream {
    let trace = request.context.trace
    let answer: Completion
    do {
      answer = try await small.respond(to: request)
    } catch {
      try Task.checkCancellation()
      trace.record(StageRecord(stage: "cascade", work: .zero, note: "the small model failed: \(error)"))
      return try await large.generate(request)
    }
    let isSure = try await trace.measure("cascade") { line in
      let value = (try? await confidence.confidence(in: answer, for: request)) ?? 0
      try Task.checkCancellation()
      let percent = Int((value * 100).rounded())
      let isSure = value >= threshold
      line.note = "confidence \(percent) %, \(isSure ? "answered by the small model" : "escalated")"
      return isSure
    }
    if isSure || !hasRoom(request, after: answer) { return GenerationStream(answer) }
    return try await large.generate(request)
  }

  /// Whether deadline and cost ceiling allow a second answer.
  private func hasRoom(_ request: InferenceRequest, after answer: Completion) -> Bool {
    let context = request.context
    if let deadline = context.deadline, deadline <= context.trace.time.now { return false }
    if let ceiling = context.costCeiling {
      // The large answer has about as many tokens as the small one.
      let spent = answer.summary.provenance.cost
      let expected = large.profile.price.cost(of: answer.summary.usage)
      if spent + expected > ceiling { return false }
    }
    return true
  }
}
