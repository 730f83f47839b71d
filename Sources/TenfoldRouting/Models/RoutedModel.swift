// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
public import TenfoldCore

/// Several models behind a policy that chooses one for each request: again a model.
///
/// When the chosen model fails before its first text, the next one in the policy's order is asked, as long as the deadline
/// allows; a failure after that reaches the reader, who has already seen a part of the answer.
///
/// ```swift
/// let model = try RoutedModel([small, large], policy: ComplexityRoutingPolicy())
/// ```
public final class RoutedModel: LanguageModel {
  private let models: [any LanguageModel]
  private let indices: [String: Int]
  private let policy: any RoutingPolicy
  private let inFlight: Mutex<[Int]>

  /// Creates a routed model.
  ///
  /// - Parameters:
  ///   - models: The candidates; their ids differ.
  ///   - policy: What chooses.
  /// - Throws: ``RoutingError`` with code ``RoutingError/Code/noCandidates`` or ``RoutingError/Code/duplicateModel``.
  public init(_ models: [any LanguageModel], policy: any RoutingPolicy) throws(RoutingError) {
    guard !models.isEmpty else {
      throw RoutingError(.noCandidates, "A routed model needs at least one model to choose from.")
    }
    var indices: [String: Int] = [:]
    for (index, model) in models.enumerated() {
      guard indices.updateValue(index, forKey: model.profile.id) == nil else {
        throw RoutingError(.duplicateModel, "Two models are called \(model.profile.id); give each its own id.")
      }
    }
    self.models = models
    self.indices = indices
    self.policy = policy
    self.inFlight = Mutex([Int](repeating: 0, count: models.count))
  }

  /// The profile of the most capable candidate, under an id that names all.
  public var profile: ModelProfile {
    var profile = models[0].profile
    for model in models where model.profile.tier > profile.tier { profile = model.profile }
    profile.id = "routed(\(models.map(\.profile.id).joined(separator: ",")))"
    profile.revision = models.map(\.profile.revision).joined(separator: ",")
    profile.contextLength = models.map(\.profile.contextLength).min() ?? profile.contextLength
    return profile
  }

  /// The candidates as a policy sees them.
  public var candidates: [RouteCandidate] {
    let inFlight = inFlight.withLock { $0 }
    return zip(models, inFlight).map { RouteCandidate(profile: $0.profile, inFlight: $1) }
  }

  /// Asks the model that the policy chooses.
  ///
  /// - Parameter request: The request.
  /// - Returns: The chosen model's answer.
  /// - Throws: The last candidate's error when all have failed; `CancellationError`; refusals of the request itself
  ///   (``TenfoldCore/RequestError`` with codes `invalidOption`, `emptyRequest`, `deadlineExceeded`) at once.
  public func generate(_ request: InferenceRequest) async throws -> GenerationStream {
    let trace = request.context.trace
    let candidates = candidates
    let decision = try await trace.measure("routing") { line in
      let decision = await policy.decide(request, among: candidates)
      line.note = "\(decision.order.first ?? "none"): \(decision.reason)"
      return decision
    }
    let order = decision.order.compactMap { indices[$0] }
    return try await attempt(request, (order.isEmpty ? Array(models.indices) : order)[...], failure: nil)
  }

  /// Asks the first model of `order`, and the others after it as long as nothing has been delivered.
  private func attempt(
    _ request: InferenceRequest,
    _ order: ArraySlice<Int>,
    failure: (any Error)?
  ) async throws -> GenerationStream {
    guard let index = order.first else {
      throw failure ?? RequestError(.unavailable, "No model was left to ask.")
    }
    if let deadline = request.context.deadline, deadline <= request.context.trace.time.now {
      throw RequestError(.deadlineExceeded, "The deadline passed while the request was routed.", underlying: failure)
    }
    let others = order.dropFirst()
    inFlight.withLock { $0[index] += 1 }
    let stream: GenerationStream
    do {
      stream = try await models[index].generate(request)
    } catch {
      inFlight.withLock { $0[index] -= 1 }
      try Task.checkCancellation()
      guard Self.mayAskAnother(after: error) else { throw error }
      return try await attempt(request, others, failure: error)
    }
    return stream.onEnd { [self] _ in inFlight.withLock { $0[index] -= 1 } }
      .recoveringBeforeFirstEvent { [self] error in
        guard Self.mayAskAnother(after: error) else { throw error }
        return try await attempt(request, others, failure: error)
      }
  }

  /// Whether the failure is the model's and not the request's own.
  private static func mayAskAnother(after error: any Error) -> Bool {
    guard let error = error as? RequestError else { return !(error is CancellationError) }
    return ![.invalidOption, .emptyRequest, .deadlineExceeded, .budgetExhausted].contains(error.code)
  }
}
