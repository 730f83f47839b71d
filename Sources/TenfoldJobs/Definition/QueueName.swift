// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// The name of a queue: workers choose which queues they serve.
public struct QueueName: Hashable, Sendable, Codable, ExpressibleByStringLiteral, CustomStringConvertible {
  /// The name as stored.
  public let rawValue: String

  /// Creates a name.
  public init(_ rawValue: String) { self.rawValue = rawValue }

  /// Creates a name from a literal.
  public init(stringLiteral value: String) { rawValue = value }

  /// The queue of jobs that name no other.
  public static let standard: Self = "default"

  /// The name as stored.
  public var description: String { rawValue }

  /// Whether two names have the same bytes, as ``SQLiteJobStore`` compares.
  ///
  /// - Parameters:
  ///   - left: A queue.
  ///   - right: Another.
  /// - Returns: Whether they are the same.
  public static func == (left: Self, right: Self) -> Bool { left.rawValue.hasSameBytes(as: right.rawValue) }
}
