// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A day of Coordinated Universal Time.
public struct UTCDay: Hashable, Sendable, Codable, Comparable {
  /// Days since 1 January 1970.
  public var number: Int64

  /// Creates a day from its number.
  ///
  /// - Parameter number: Days since 1 January 1970.
  public init(_ number: Int64) { self.number = number }

  /// The day that holds an instant.
  ///
  /// - Parameter time: Nanoseconds since 1970, as ``WallClock/nanoseconds()`` gives.
  public init(containing time: Int64) {
    let day: Int64 = 86_400 * 1_000_000_000
    number = time >= 0 ? time / day : (time + 1) / day - 1
  }

  /// The earlier day is less.
  public static func < (left: Self, right: Self) -> Bool { left.number < right.number }
}
