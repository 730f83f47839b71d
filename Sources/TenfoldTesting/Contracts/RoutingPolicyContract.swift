// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// What every `RoutingPolicy` keeps to.
///
/// ```swift
/// let violations = await RoutingPolicyContract.violations { ComplexityRoutingPolicy() }
/// ```
public enum RoutingPolicyContract {
  /// Runs the suite.
  ///
  /// - Parameter policy: Makes a fresh policy.
  /// - Returns: The clauses that are broken, with what was seen.
  public static func violations(of policy: @Sendable () -> any RoutingPolicy) async -> [ContractViolation] {
    var report = ContractReport()
    let profiles = [
      ModelProfile(id: "small", contextLength: 1000, tier: .small),
      ModelProfile(id: "large", contextLength: 1000, tier: .large),
      ModelProfile(id: "remote", contextLength: 1000, tier: .remote),
    ]
    let questions = [
      "", " ", "Hi", "Prove that the square root of 2 is irrational, step by step.", "\u{0}", "((((((",
      String(repeating: "a", count: 200_000), String(repeating: "👩‍👩‍👧", count: 2000),
      "x = 3; if (x > 2) { return x % 2; }",
    ]
    let policy = policy()
    for count in 1...profiles.count {
      for question in questions {
        for isHealthy in [true, false] {
          let candidates = profiles.prefix(count).map { RouteCandidate(profile: $0, isHealthy: isHealthy) }
          let decision = await policy.decide(LanguageModelContract.request(question), among: candidates)
          let ids = Set(candidates.map(\.profile.id))
          report.check(
            !decision.order.isEmpty && Set(decision.order).isSubset(of: ids)
              && Set(decision.order).count == decision.order.count,
            "a policy names candidates only, each at most once, and at least one",
            observed: "\(decision.order) of \(ids.sorted()) for \(question.prefix(40).debugDescription)"
          )
          report.check(
            decision.difficulty >= 0 && decision.difficulty <= 1,
            "difficulty is in 0...1",
            observed: "\(decision.difficulty) for \(question.prefix(40).debugDescription)"
          )
        }
      }
    }
    let mixed = [
      RouteCandidate(profile: profiles[0], isHealthy: false),
      RouteCandidate(profile: profiles[1], isHealthy: true),
    ]
    let decision = await policy.decide(LanguageModelContract.request("Hi"), among: mixed)
    report.check(
      decision.order.first == "large",
      "a healthy candidate goes before one that is not",
      observed: "\(decision.order)"
    )
    return report.violations
  }
}
