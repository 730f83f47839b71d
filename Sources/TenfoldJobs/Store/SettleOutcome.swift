// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Whether a store accepted a settlement.
public enum SettleOutcome: Hashable, Sendable {
  /// The settlement stands.
  case applied
  /// The run is no longer the job's current one: nothing was changed.
  case fenced
}
