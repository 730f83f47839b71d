// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Tenfold

/// Sends free questions by their surface, claims and lookups always to the cascade.
///
/// How often each model is right about claims and lookups was measured, and the cascade weighs it; what a question looks
/// like says less.
struct DemoRouting: RoutingPolicy {
  private let unmeasured = ComplexityRoutingPolicy()
  private let measured = ComplexityRoutingPolicy(cut: .difficulty(1))

  func decide(_ request: InferenceRequest, among candidates: [RouteCandidate]) async -> RoutingDecision {
    await (request.options.choices.isEmpty ? unmeasured : measured).decide(request, among: candidates)
  }
}
