// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Decides what becomes of a run from how it ended: pure, so that it is tested without running anything.
enum RunVerdict {
  /// The settlement of a run that threw, or `nil` when its lease is gone and nothing may be written.
  static func outcome(
    of error: any Error,
    lease: JobLease,
    stop: RunningJobs.StopReason?,
    isDraining: Bool,
    policy: RetryPolicy,
    using generator: inout some RandomNumberGenerator
  ) -> JobSettlement.Outcome? {
    switch stop {
    case .leaseLost: return nil
    case .cancelled: return .cancelled
    case .preempted, nil: break
    }
    if isDraining, error is CancellationError { return .release(after: .zero) }
    if let disposition = error as? JobDisposition {
      switch disposition.kind {
      case .discard(let reason): return .dead(error: reason)
      case .snooze(let delay): return .release(after: delay)
      case .retry(let delay, let reason): return .retry(after: delay, error: reason)
      }
    }
    // The store makes it a dead letter when this was the last attempt; its payload is kept as it is.
    return .retry(
      after: policy.delay(afterAttempt: lease.attempt, using: &generator),
      error: String(describing: error)
    )
  }
}
