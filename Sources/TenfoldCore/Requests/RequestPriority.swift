// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// How much a request matters when there is not room for all.
///
/// A local model lets answers of a lower priority wait again, and computes them again, where one of a higher priority finds no
/// place beside them.
public struct RequestPriority: Hashable, Sendable, Codable, Comparable {
  /// Higher is served first and shed last.
  public let rawValue: Int

  /// Creates a priority; the named ones are enough for most hosts.
  public init(rawValue: Int) { self.rawValue = rawValue }

  /// Batch work that nobody waits for.
  public static let background = Self(rawValue: 0)
  /// A person or service waits.
  public static let normal = Self(rawValue: 10)
  /// Shed last: health checks, paying customers in trouble.
  public static let critical = Self(rawValue: 20)

  /// Orders priorities by their raw values.
  public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
}
