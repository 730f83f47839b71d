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
  /// Whether a model may take over what it computed for the beginning of another prompt of this tenant, and keep this
  /// one's for later: that changes no answer, only its cost and time.
  public var allowsPrefixReuse: Bool

  /// Creates a policy; the default allows everything but stale answers.
  public init(
    allowsExactHit: Bool = true,
    allowsSemanticHit: Bool = true,
    allowsStale: Bool = false,
    allowsStore: Bool = true,
    allowsPrefixReuse: Bool = true
  ) {
    self.allowsExactHit = allowsExactHit
    self.allowsSemanticHit = allowsSemanticHit
    self.allowsStale = allowsStale
    self.allowsStore = allowsStore
    self.allowsPrefixReuse = allowsPrefixReuse
  }

  /// Caches may answer and store.
  public static let standard = Self()
  /// No cache is read or written: everything is computed anew, as when a model is to be measured.
  public static let bypass = Self(
    allowsExactHit: false,
    allowsSemanticHit: false,
    allowsStore: false,
    allowsPrefixReuse: false
  )
  /// Nothing stored is served, but the new answer replaces it.
  public static let refresh = Self(allowsExactHit: false, allowsSemanticHit: false)

  private enum CodingKeys: String, CodingKey {
    case allowsExactHit
    case allowsSemanticHit
    case allowsStale
    case allowsStore
    case allowsPrefixReuse
  }

  /// Reads a policy; what a version that did not know of it left out has its default.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      allowsExactHit: try values.decode(Bool.self, forKey: .allowsExactHit),
      allowsSemanticHit: try values.decode(Bool.self, forKey: .allowsSemanticHit),
      allowsStale: try values.decode(Bool.self, forKey: .allowsStale),
      allowsStore: try values.decode(Bool.self, forKey: .allowsStore),
      allowsPrefixReuse: try values.decodeIfPresent(Bool.self, forKey: .allowsPrefixReuse) ?? true
    )
  }
}
