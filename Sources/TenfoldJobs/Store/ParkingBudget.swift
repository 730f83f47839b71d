// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// How many jobs one claim moves out of the way at most because their key, their rate or their time keeps them from starting.
///
/// What is left over waits for the next claim. A lane that has many of them in a row steps aside for the others of its level,
/// and no level of a queue uses up all there is.
struct ParkingBudget {
  /// Jobs of a lane in a row before the others of its level go first.
  static let patience = 32

  private var shared = 1000
  private var own = [Int](repeating: Self.each, count: 4)
  /// Those that each level of each queue may move when the others have used up the rest.
  private static let each = 100

  /// Goes on to the next queue.
  mutating func beginQueue() { own = [Int](repeating: Self.each, count: 4) }

  /// Whether a level may move no more.
  func isSpent(level: Int) -> Bool { shared <= 0 && own[level] <= 0 }

  /// A job of a level was moved.
  mutating func spend(level: Int) { if shared > 0 { shared -= 1 } else { own[level] -= 1 } }
}
