// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// How urgent a job is compared with the others of its queue.
///
/// Higher levels go first, but not always: of 15 picks among full levels 8, 4, 2 and 1 go to the four levels, so
/// that no level starves.
public struct JobPriority: RawRepresentable, Hashable, Sendable, Codable, Comparable {
  /// The level, 0 (first) … 3 (last).
  public let rawValue: Int

  /// Creates a priority; `nil` outside 0…3.
  public init?(rawValue: Int) {
    guard (0...3).contains(rawValue) else { return nil }
    self.rawValue = rawValue
  }

  private init(level: Int) { rawValue = level }

  /// Somebody is waiting.
  public static let interactive = Self(level: 0)
  /// The default.
  public static let normal = Self(level: 1)
  /// Can wait for the others.
  public static let low = Self(level: 2)
  /// Fills idle time.
  public static let background = Self(level: 3)

  /// Orders by urgency: the most urgent is the smallest.
  public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

  static let weights = [8, 4, 2, 1]
}
