// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// What became of vectors that were added to an index.
public struct VectorInsertReport: Hashable, Sendable {
  /// How many ids are new.
  public var added = 0
  /// How many ids got another vector.
  public var replaced = 0
  /// The ids of vectors that hold NaN or infinity or have no length; what they had before is untouched.
  public var rejected: [UInt64] = []

  /// Creates an empty report.
  public init() {}
}
