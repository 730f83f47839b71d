// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// How far a store must have come to show a write: give it to whoever reads, so that a writer sees its own writes.
///
/// It can travel: in a cookie, a header, a job.
public struct WriteToken: Hashable, Sendable, Codable, Comparable, CustomStringConvertible {
  /// The position in the event log.
  public var sequence: Int64

  /// Creates a token from a position that ``EventLog/append(_:)`` gave.
  public init(_ sequence: Int64) { self.sequence = sequence }

  /// Shows every write, as nothing was written yet.
  public static let none = Self(0)

  /// The later of two tokens includes the earlier.
  public static func < (left: Self, right: Self) -> Bool { left.sequence < right.sequence }

  /// The position.
  public var description: String { "\(sequence)" }
}
