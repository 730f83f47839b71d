// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Decides what becomes of a run from how it ended: pure, so that it is tested without running anything.
enum RunVerdict {
  /// Whether a run that threw has failed: not if it snoozes, or if it was told to go.
  static func isFailure(
    _ error: any Error,
    stop: RunningJobs.StopReason?,
    isDraining: Bool,
    isCancelled: Bool
  ) -> Bool {
    if let disposition = error as? JobDisposition, case .snooze = disposition.kind { return false }
    return stop != .cancelled && !leaves(error, stop, isDraining, isCancelled)
  }

  /// Clients and drivers wrap a cancellation in errors of their own: whoever was told to go has not failed, whatever it threw.
  private static func leaves(
    _ error: any Error,
    _ stop: RunningJobs.StopReason?,
    _ isDraining: Bool,
    _ isCancelled: Bool
  ) -> Bool {
    stop == .preempted || stop == nil && (isCancelled || isDraining && error is CancellationError)
  }

  /// The settlement of a run that threw, or `nil` when its lease is gone and nothing may be written.
  ///
  /// `isCancelled` says whether the run's task was cancelled, which the end of the worker's own task does.
  static func outcome(
    of error: any Error,
    lease: JobLease,
    stop: RunningJobs.StopReason?,
    isDraining: Bool,
    isCancelled: Bool,
    limit: Duration? = nil,
    policy: RetryPolicy,
    using generator: inout some RandomNumberGenerator
  ) -> JobSettlement.Outcome? {
    switch stop {
    case .leaseLost: return nil
    case .cancelled: return .cancelled
    case .preempted, .timedOut, nil: break
    }
    if let disposition = error as? JobDisposition {
      switch disposition.kind {
      case .discard(let reason): return .dead(error: reason)
      // A run that took too long has had its attempt.
      case .snooze where stop == .timedOut: break
      case .snooze(let delay): return .release(after: delay)
      case .retry(let delay, let reason): return .retry(after: delay, error: reason)
      }
    }
    if leaves(error, stop, isDraining, isCancelled) { return .release(after: .zero) }
    var error = error
    if stop == .timedOut {
      error = JobError(
        .timedOut,
        "the run took longer than its worker's runTimeLimit of \(limit ?? .zero): raise it, or do the work in steps",
        underlying: error
      )
    }
    // The store makes it a dead letter when this was the last attempt; its payload is kept as it is.
    return .retry(
      after: policy.delay(afterAttempt: lease.attempt, using: &generator),
      error: String(describing: error)
    )
  }
}
