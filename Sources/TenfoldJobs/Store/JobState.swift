// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Where a job is in its life.
public enum JobState: Int, Hashable, Sendable, Codable, CaseIterable {
  /// Waits for a worker or for its time.
  case ready = 0
  /// A worker holds its lease.
  case running = 1
  /// Finished. Final.
  case done = 2
  /// Failed for good; kept with its payload until replayed or purged.
  case dead = 3
  /// Ended by a cancellation. Final.
  case cancelled = 4

  /// Whether the job has ended.
  public var isTerminal: Bool { self != .ready && self != .running }
}
