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

  /// Creates a tick.
  ///
  /// - Parameters:
  ///   - schedule: The schedule's name.
  ///   - milliseconds: When it was due: milliseconds since 1970.
  public init(schedule: String, milliseconds: Int64) {
    self.schedule = schedule
    self.milliseconds = milliseconds
  }
}
