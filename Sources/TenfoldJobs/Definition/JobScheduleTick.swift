// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Which firing of which schedule a job stands for.
///
/// A store accepts the firings of a schedule in rising order, each once, so several schedulers can run side by side
/// without electing a leader.
public struct JobScheduleTick: Hashable, Sendable {
  /// The schedule's name.
  public var schedule: String
  /// When it was due: milliseconds since 1970.
  public var milliseconds: Int64
  /// A firing that came too early, as the wall clock was far ahead when it fired: this one may come after it in spite of
  /// its time, if it is still the newest that the store knows.
  ///
  /// Of several schedulers that find the same, one sets the schedule back.
  public var replaces: Int64?

  /// Creates a tick.
  ///
  /// - Parameters:
  ///   - schedule: The schedule's name.
  ///   - milliseconds: When it was due: milliseconds since 1970.
  ///   - replaces: A firing that came too early.
  public init(schedule: String, milliseconds: Int64, replaces: Int64? = nil) {
    self.schedule = schedule
    self.milliseconds = milliseconds
    self.replaces = replaces
  }

  /// Whether the newest firing that a store knows of the schedule leaves no room for this one.
  func isOver(after fired: Int64?) -> Bool {
    guard let fired, milliseconds <= fired else { return false }
    return replaces != fired || milliseconds == fired
  }
}
