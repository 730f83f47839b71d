// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// How new what a read sees must be.
public struct ReadConsistency: Hashable, Sendable {
  enum Kind: Hashable, Sendable {
    case primary
    case any
    case token(WriteToken)
    case staleness(Duration)
  }

  let kind: Kind

  /// The newest there is: always the primary.
  public static let newest = Self(kind: .primary)
  /// Whatever a replica shows.
  public static let eventual = Self(kind: .any)

  /// At least this write, so that a writer sees its own.
  ///
  /// - Parameter token: What ``WriteBehind/write(_:until:)`` or an append gave.
  /// - Returns: The consistency.
  public static func includes(_ token: WriteToken) -> Self { Self(kind: .token(token)) }

  /// Everything that was written longer ago than this.
  ///
  /// - Parameter bound: How old the view may be.
  /// - Returns: The consistency.
  public static func within(_ bound: Duration) -> Self { Self(kind: .staleness(bound)) }
}
