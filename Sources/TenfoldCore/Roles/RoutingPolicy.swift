// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Something that chooses which model answers.
public protocol RoutingPolicy: Sendable {
  /// Chooses among candidates.
  ///
  /// - Parameters:
  ///   - request: The request; its embedding and passages are there if an earlier stage made them.
  ///   - candidates: The models to choose from; not empty.
  /// - Returns: Ids of candidates only, each at most once, and at least one.
  func decide(_ request: InferenceRequest, among candidates: [RouteCandidate]) async -> RoutingDecision
}
