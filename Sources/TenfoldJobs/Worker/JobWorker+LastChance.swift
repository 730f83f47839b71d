// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// A job on its last chance, which its worker runs alone: were it to take the process down, it would be counted against all
/// that the worker holds.
///
/// Others wait for it, and it for them, no longer than a lease each: they may run for hours, never end, or wait for each
/// other's jobs.
struct LoneJob {
  let reference: JobLease.Reference
  /// `nil` once it has begun.
  var lease: JobLease?
  /// When the waiting is over.
  var until: ContinuousClock.Instant
}

extension JobWorker {
  /// Takes a job on its last chance out of those that wait and gives the others back, as nothing is to begin before it.
  func setApart(_ alone: inout LoneJob?, from waiting: inout [JobLease]) async {
    if let job = alone, isOver(job) { alone = nil }
    if alone == nil, let index = waiting.firstIndex(where: \.isLastChance) {
      let lease = waiting.remove(at: index)
      alone = LoneJob(reference: lease.reference, lease: lease, until: .now + options.lease)
      state.withLock { $0.alone = lease.reference }
      waiting += await takeLastArrived()
    }
    guard let alone else { return state.withLock { $0.alone = nil } }
    ended.release(waiting)
    waiting = []
    look(at: alone.until)
  }

  /// Whether nobody need wait for it any more.
  private func isOver(_ job: LoneJob) -> Bool {
    let stop = running.stopReason(job.reference)
    guard job.lease != nil else {
      return stop == .leaseLost || .now >= job.until || state.withLock { $0.alone == nil }
    }
    // It was told to stop before it began.
    switch stop {
    case .leaseLost: ended.add(job.reference, .lost)
    case .cancelled: ended.add(job.reference, .settle(.cancelled))
    default: return false
    }
    return true
  }

  /// Begins it once nothing else runs, or when it has waited long enough.
  func begin(_ alone: inout LoneJob?, _ jobs: inout DiscardingTaskGroup) {
    guard let lease = alone?.lease, let until = alone?.until else { return }
    let isLate = ContinuousClock.now >= until
    let adrift = running.adriftCount
    let begins = state.withLock { state in
      guard !state.isDraining, state.active < options.concurrency, isLate || state.active <= adrift else {
        return false
      }
      state.active += 1
      return true
    }
    if begins { jobs.addTask { [self] in await execute(lease) } }
    if begins, !isLate {
      alone = LoneJob(reference: lease.reference, lease: nil, until: .now + options.lease)
      look(at: .now + options.lease)
    } else if isLate {
      // Beside the others, or on a worker that has a place.
      if !begins { ended.release([lease]) }
      alone = nil
      state.withLock { $0.alone = nil }
      signal.yield()
    }
  }

  private func look(at instant: ContinuousClock.Instant) {
    thread.arm(.look, at: thread.now + max(.zero, instant - .now)) { [signal] in signal.yield() }
  }
}
