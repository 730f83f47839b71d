// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A model that a router can choose, and how busy it is.
public struct RouteCandidate: Sendable {
  /// What is known of the model.
  public var profile: ModelProfile
  /// How many requests it is working on.
  public var inFlight: Int
  /// How long a new request would wait before its first token, as far as is known.
  public var expectedWait: Duration
  /// Whether it is answering at all, as far as is known: whoever doesn't watch it says true.
  public var isHealthy: Bool

  /// Creates a candidate.
  public init(
    profile: ModelProfile,
    inFlight: Int = 0,
    expectedWait: Duration = .zero,
    isHealthy: Bool = true
  ) {
    self.profile = profile
    self.inFlight = inFlight
    self.expectedWait = expectedWait
    self.isHealthy = isHealthy
  }
}
