// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Which vectors of an index a search considers.
public enum VectorFilter: Sendable {
  /// All of them.
  case all
  /// Those with these ids; when they are few, an index can go straight to them.
  case only(Set<UInt64>)
  /// Those whose id passes a test, which must be quick and pure.
  case matching(@Sendable (UInt64) -> Bool)

  /// Whether a vector is considered.
  ///
  /// - Parameter id: The vector's id.
  /// - Returns: True if it is.
  public func admits(_ id: UInt64) -> Bool {
    switch self {
    case .all: true
    case .only(let ids): ids.contains(id)
    case .matching(let test): test(id)
    }
  }
}
