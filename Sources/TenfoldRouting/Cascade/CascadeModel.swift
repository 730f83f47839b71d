// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// Two models as one: the small one answers, and if it is not sure enough, the large one does.
///
/// The reader sees only the answer that counts. The large model's words are streamed as they are made; the small one's
/// come in one piece, after they were judged. Both calls are in the provenance and in the cost. Where the cost ceiling
/// or the deadline leaves no room for the large model, or that fails, the small answer is delivered as it is, marked as
/// ``Provenance/isCurtailed``, so that no cache gives it to those who would have had the large one's.
///
/// ```swift
/// let model = try CascadeModel(id: "cascade", small: small, large: large, confidence: MarginConfidence())
/// ```
public final class CascadeModel: LanguageModel {
  /// When the small model's answer is good enough; every field has a default.
  public struct Options: Sendable {
    /// The least confidence at which the small answer is delivered, in 0...1.
    public var confidenceThreshold: Double
    /// The least time before the deadline at which the large model is still asked.
    public var minimumTimeLeft: Duration
    /// How often the large model answers requests of this kind right, in 0...1, as measured on labelled ones; `nil` takes it
    /// to be always right.
    ///
    /// A large model that is no likelier to be right than the small answer is not worth its cost: not asking it saves the
    /// most where both are weak.
    public var largeAccuracy: (@Sendable (InferenceRequest) -> Double)?
    /// How much likelier than the small answer the large one must be to be right, in 0...1.
    public var minimumGain: Double

    /// Creates options.
    public init(
      confidenceThreshold: Double = 0.75,
      minimumTimeLeft: Duration = .milliseconds(50),
      largeAccuracy: (@Sendable (InferenceRequest) -> Double)? = nil,
      minimumGain: Double = 0
    ) {
      self.confidenceThreshold = confidenceThreshold
      self.minimumTimeLeft = minimumTimeLeft
      self.largeAccuracy = largeAccuracy
      self.minimumGain = minimumGain
    }
  }

  /// What is known of the composition: the tier is the small model's, which answers first, so that a router tells it from the
  /// large model alone; the context is the smaller one's, and the price of each kind of work the dearer one's.
  public let profile: ModelProfile
  private let small: any LanguageModel
  private let large: any LanguageModel
  private let confidence: any CompletionConfidence
  private let largeAccuracy: @Sendable (InferenceRequest) -> Double
  private let machine: CascadeStateMachine

  /// Creates a cascade.
  ///
  /// - Parameters:
  ///   - id: The composition's name.
  ///   - small: Answers first.
  ///   - large: Answers when the small one is not sure.
  ///   - confidence: Judges the small one's answers.
  ///   - options: When an answer is good enough.
  /// - Throws: ``RequestError`` with code ``RequestError/Code/invalidOption`` for equal ids, or a threshold or
  ///   gain out of 0...1.
  public init(
    id: String,
    small: any LanguageModel,
    large: any LanguageModel,
    confidence: any CompletionConfidence,
    options: Options = Options()
  ) throws(RequestError) {
    let shares = [
      ("confidenceThreshold", options.confidenceThreshold), ("minimumGain", options.minimumGain),
    ]
    for (name, share) in shares where !(0...1).contains(share) {
      throw RequestError(.invalidOption, "\(name) is \(share); it must be in 0...1.")
    }
    var profile = try ModelProfile.composed(id: id, of: [small.profile, large.profile])
    profile.tier = small.profile.tier
    self.profile = profile
    self.small = small
    self.large = large
    self.confidence = confidence
    self.largeAccuracy = options.largeAccuracy ?? { _ in 1 }
    self.machine = CascadeStateMachine(
      threshold: options.confidenceThreshold,
      minimumTimeLeft: options.minimumTimeLeft,
      minimumGain: options.minimumGain
    )
  }

  /// Answers with the small model, and with the large one where that is not sure.
  ///
  /// - Parameter request: The request.
  /// - Returns: The answer that counts.
  /// - Throws: Errors come through the stream.
  public func generate(_ request: InferenceRequest) async throws -> GenerationStream {
    let small = try await startSmall(request)
    return GenerationStream { continuation in
      let context = request.context
      let timeLeft = { context.deadline.map { context.trace.time.now.duration(to: $0) } }
      let estimate = self.estimate(for: request)
      let answer: Completion
      do {
        answer = try await small.collect()
      } catch {
        let step = self.machine.smallFailed(
          mayTryElsewhere: Failover.mayTryElsewhere(after: error),
          estimate: estimate,
          ceiling: context.costCeiling,
          timeLeft: timeLeft()
        )
        guard case .escalate(let reason) = step else { throw error }
        context.trace.record(StageRecord(stage: "cascade", work: .zero, note: "\(reason): \(error)"))
        return try await self.relay(request, after: nil, to: continuation)
      }
      let confidence = try await self.judge(answer, request)
      let spent = answer.summary.provenance.cost
      let step = self.machine.smallAnswered(
        confidence: confidence,
        largeAccuracy: self.largeAccuracy(request),
        spent: spent,
        estimate: estimate,
        ceiling: context.costCeiling,
        timeLeft: timeLeft()
      )
      switch step {
      case .escalate(let reason):
        context.trace.record(StageRecord(stage: "cascade", work: .zero, note: "escalated: \(reason)"))
        try await self.relay(request, after: answer, to: continuation)
      case .deliver(let reason, let isCurtailed):
        context.trace.record(StageRecord(stage: "cascade", work: .zero, note: "early exit: \(reason)"))
        Self.deliver(answer, isCurtailed: isCurtailed, to: continuation)
      // Not a step after an answer, which is better than none.
      case .fail: Self.deliver(answer, isCurtailed: true, to: continuation)
      }
    }
  }

  // MARK: - Private

  /// A small model that can't start is one that failed; only a request that is wrong in itself is refused at once.
  private func startSmall(_ request: InferenceRequest) async throws -> GenerationStream {
    do {
      return try await small.generate(request)
    } catch {
      guard Failover.mayTryElsewhere(after: error) else { throw error }
      return GenerationStream { _ in throw error }
    }
  }

  /// A judge that fails is not sure.
  private func judge(_ answer: Completion, _ request: InferenceRequest) async throws -> Double {
    do {
      return try await confidence.confidence(in: answer, for: request)
    } catch let error as CancellationError {
      throw error
    } catch {
      return 0
    }
  }

  private static func deliver(
    _ answer: Completion,
    isCurtailed: Bool,
    to continuation: GenerationStream.Continuation
  ) {
    if !answer.text.isEmpty { continuation.yield(.text(answer.text)) }
    continuation.yield(.finished(isCurtailed ? answer.summary.curtailed : answer.summary))
  }

  /// Streams the large model's answer, with the small one's call added to its account.
  private func relay(
    _ request: InferenceRequest,
    after first: Completion?,
    to continuation: GenerationStream.Continuation
  ) async throws {
    var hasText = false
    do {
      for try await event in try await large.generate(request) {
        switch event {
        case .text:
          hasText = true
          guard continuation.yield(event) else { return }
        case .finished(var summary):
          if let first {
            let call = first.summary
            summary.provenance.modelCalls = call.provenance.modelCalls + summary.provenance.modelCalls
            summary.provenance.cost += call.provenance.cost
          }
          continuation.yield(.finished(summary))
          return
        }
      }
      throw RequestError(.modelFailed, "The large model's stream ended without a summary.")
    } catch {
      // An unsure answer is better than none, as long as nothing of another has been seen.
      guard let first, !hasText, !(error is CancellationError), !Task.isCancelled else { throw error }
      request.context.trace.record(
        StageRecord(
          stage: "cascade",
          work: .zero,
          note: "the large model failed, the small answer stands: \(error)"
        )
      )
      Self.deliver(first, isCurtailed: true, to: continuation)
    }
  }

  /// What the large model may cost: about four bytes a token, and all the tokens it may generate.
  private func estimate(for request: InferenceRequest) -> Money {
    let bytes: Int =
      switch request.prompt {
      case .text(let text): text.utf8.count
      case .chat(let messages): messages.reduce(0) { $0 + $1.content.utf8.count }
      }
    return large.profile.price.cost(
      of: TokenUsage(promptTokens: bytes / 4 + 1, completionTokens: request.options.maxTokens)
    )
  }
}
