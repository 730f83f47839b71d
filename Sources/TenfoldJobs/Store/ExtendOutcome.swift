// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// What a store answers to a worker that wants to go on with a run.
public enum ExtendOutcome: Hashable, Sendable {
  /// The lease runs for longer.
  case extended
  /// The lease belongs to somebody else or to nobody: stop.
  case lost
  /// The lease runs for longer, and somebody asked for the job to be cancelled.
  case cancelRequested
}
