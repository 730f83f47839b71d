// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// How one run ended.
public struct JobSettlement: Sendable {
  /// The ways for a run to end.
  public enum Outcome: Sendable {
    /// The job is finished; the bytes are its encoded output.
    case done(result: [UInt8]?)
    /// The run failed; run again after a while. Leases that were lost before don't count any more. Of the error a store keeps
    /// the first 4 KiB.
    case retry(after: Duration, error: String)
    /// The job failed for good: keep it with its payload as a dead letter, and the first 4 KiB of the error.
    case dead(error: String)
    /// The run was given back; it doesn't count as an attempt. After a delay, leases that were lost before don't count any more;
    /// at once, as one that never began goes back, they do.
    case release(after: Duration)
    /// The job ended because somebody cancelled it.
    case cancelled
  }

  /// Which run of which job ended.
  public var reference: JobLease.Reference
  /// How it ended.
  public var outcome: Outcome

  /// Creates a settlement.
  public init(_ reference: JobLease.Reference, _ outcome: Outcome) {
    self.reference = reference
    self.outcome = outcome
  }
}
