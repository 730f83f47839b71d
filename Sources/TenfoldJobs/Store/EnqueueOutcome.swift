// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// What became of one job handed to a store.
public enum EnqueueOutcome: Hashable, Sendable {
  /// The job is in the queue.
  case inserted
  /// Nothing was added: this job (by id or by unique key) was there already.
  case duplicate(of: RawJobID)
}
