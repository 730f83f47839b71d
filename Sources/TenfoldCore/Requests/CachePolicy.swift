// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Which caches may answer a request, and whether its answer may be kept.
public struct CachePolicy: Hashable, Sendable, Codable {
  /// Whether a stored answer to the very same request may be served.
  public var allowsExactHit: Bool
  /// Whether a stored answer to a request of the same meaning may be served.
  public var allowsSemanticHit: Bool
  /// Whether an expired answer may be served when nothing else can answer; it is flagged as stale.
  public var allowsStale: Bool
  /// Whether the answer may be stored.
  public var allowsStore: Bool

  /// Creates a policy; the default allows everything but stale answers.
  public init(
    allowsExactHit: Bool = true,
    allowsSemanticHit: Bool = true,
    allowsStale: Bool = false,
    allowsStore: Bool = true
  ) {
    self.allowsExactHit = allowsExactHit
    self.allowsSemanticHit = allowsSemanticHit
    self.allowsStale = allowsStale
    self.allowsStore = allowsStore
  }

  /// Caches may answer and store.
  public static let standard = Self()
  /// No cache is read or written.
  public static let bypass = Self(allowsExactHit: false, allowsSemanticHit: false, allowsStore: false)
  /// Nothing stored is served, but the new answer replaces it.
  public static let refresh = Self(allowsExactHit: false, allowsSemanticHit: false)
}
