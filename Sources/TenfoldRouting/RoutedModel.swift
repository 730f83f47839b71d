// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
public import TenfoldCore

/// A language model that asks the one of several that a policy chooses.
///
/// If the chosen model fails before its first word, the next in the policy's order is asked; after the first word a
/// failure is passed on. A request that is wrong in itself is not asked again elsewhere. The answer of a model of a lower
/// tier than the chosen one is marked as ``Provenance/isCurtailed``.
///
/// The policy is told of every model as healthy: only asking tells whether one is. A model that may be down is best given
/// as a ``ReplicatedModel``, of a single replica if need be, whose breaker refuses at once instead of asking in vain.
///
/// ```swift
/// let model = try RoutedModel(id: "assistant", models: [small, large], policy: ComplexityRoutingPolicy())
/// let answer = try await model.respond(to: request)
/// ```
public final class RoutedModel: LanguageModel {
  /// What is known of the composition: the largest tier, and what holds whichever model answers: the smallest context, and
  /// for each kind of work the dearest price.
  public let profile: ModelProfile
  private let models: [any LanguageModel]
  private let policy: any RoutingPolicy
  private let inFlight: Mutex<[Int]>

  /// Creates a routed model.
  ///
  /// - Parameters:
  ///   - id: The composition's name; also in cache keys.
  ///   - models: The models to choose from, each with an id of its own.
  ///   - policy: What chooses.
  /// - Throws: ``RequestError`` with code ``RequestError/Code/invalidOption`` for no models or equal ids.
  public init(id: String, models: [any LanguageModel], policy: any RoutingPolicy) throws(RequestError) {
    self.profile = try ModelProfile.composed(id: id, of: models.map(\.profile))
    self.models = models
    self.policy = policy
    self.inFlight = Mutex(Array(repeating: 0, count: models.count))
  }

  /// How many requests each model is working on, by id.
  public var load: [String: Int] {
    let counts = inFlight.withLock { $0 }
    return Dictionary(zip(models.map(\.profile.id), counts)) { first, _ in first }
  }

  /// Answers with the model that the policy chooses.
  ///
  /// - Parameter request: The request.
  /// - Returns: The answer of the first model that gets its first word out.
  /// - Throws: ``RequestError``, or the last model's error.
  public func generate(_ request: InferenceRequest) async throws -> GenerationStream {
    let counts = inFlight.withLock { $0 }
    let candidates = zip(models, counts).map { RouteCandidate(profile: $0.profile, inFlight: $1) }
    let policy = policy
    let decision = await request.context.trace.measure("routing") { line in
      let decision = await policy.decide(request, among: candidates)
      line.note = "\(decision.order.first ?? "nobody"), \(decision.reason)"
      return decision
    }
    let order = decision.order.compactMap { id in models.firstIndex { $0.profile.id == id } }
    guard !order.isEmpty else {
      throw RequestError(.unavailable, "The routing policy chose none of the models.")
    }
    return try await start(request, order[...])
  }

  private func start(_ request: InferenceRequest, _ order: ArraySlice<Int>) async throws -> GenerationStream {
    guard let choice = order.first else {
      throw RequestError(.unavailable, "No model of \(profile.id) could answer.")
    }
    let rest = order.dropFirst()
    inFlight.withLock { $0[choice] += 1 }
    do {
      let stream = try await models[choice].generate(request)
      let observed = stream.onEnd { _ in self.inFlight.withLock { $0[choice] -= 1 } }
      return rest.isEmpty
        ? observed
        : observed.recoveringBeforeFirstEvent {
          try await self.fallBack(from: choice, after: $0, request, rest)
        }
    } catch {
      inFlight.withLock { $0[choice] -= 1 }
      return try await fallBack(from: choice, after: error, request, rest)
    }
  }

  private func fallBack(
    from choice: Int,
    after error: any Error,
    _ request: InferenceRequest,
    _ rest: ArraySlice<Int>
  ) async throws -> GenerationStream {
    guard !rest.isEmpty, Failover.mayTryElsewhere(after: error), !Failover.isExpired(request) else {
      throw error
    }
    request.context.trace.record(
      StageRecord(stage: "fallback", work: .zero, note: "\(models[choice].profile.id) failed: \(error)")
    )
    // What a lesser model says for want of the chosen one is not what others should be told.
    let tier = models[choice].profile.tier
    return try await start(request, rest).curtailed { summary in
      if case .model(_, let answering) = summary.provenance.answeredBy { answering < tier } else { false }
    }
  }
}

/// Which failures another model can heal.
enum Failover {
  static func mayTryElsewhere(after error: any Error) -> Bool {
    if error is CancellationError || Task.isCancelled { return false }
    guard let error = error as? RequestError else { return true }
    let own: [RequestError.Code] = [
      .invalidOption, .unsatisfiableFormat, .emptyRequest, .deadlineExceeded, .budgetExhausted,
    ]
    return !own.contains(error.code)
  }

  /// Whether a failure says that the replica is broken, and not that the request is wrong.
  static func isReplicasFault(_ error: any Error) -> Bool {
    mayTryElsewhere(after: error) && (error as? any RequestFault)?.isRequestsFault != true
  }

  static func isExpired(_ request: InferenceRequest) -> Bool {
    request.context.deadline.map { $0 <= request.context.trace.time.now } ?? false
  }
}

extension ModelProfile {
  /// The profile of a composition: what can be relied on whichever part answers.
  static func composed(id: String, of parts: [ModelProfile]) throws(RequestError) -> ModelProfile {
    guard let largest = parts.max(by: { $0.tier < $1.tier }) else {
      throw RequestError(.invalidOption, "models is empty; it must hold at least one model.")
    }
    guard Set(parts.map(\.id)).count == parts.count else {
      throw RequestError(.invalidOption, "models holds two models of the same id; ids must be different.")
    }
    return ModelProfile(
      id: id,
      revision: parts.map { "\($0.id)@\($0.revision)" }.joined(separator: "+"),
      contextLength: parts.map(\.contextLength).min() ?? 0,
      tier: largest.tier,
      price: ModelPrice(
        dollarsPerMillionPromptTokens: parts.map(\.price.dollarsPerMillionPromptTokens).max() ?? 0,
        dollarsPerMillionCompletionTokens: parts.map(\.price.dollarsPerMillionCompletionTokens).max() ?? 0,
        dollarsPerCPUSecond: parts.map(\.price.dollarsPerCPUSecond).max() ?? 0
      )
    )
  }
}
